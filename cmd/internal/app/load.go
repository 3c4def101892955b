package app

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/viper"

	"anb/platform/crash"
)

// ErrConfig marks configuration errors, for which the exit code is 2.
var ErrConfig = errors.New("the configuration is not valid")

// secrets are the keys whose values are never shown and may come from files.
var secrets = []string{
	"auth.jwt_secret", "database.url", "monitor.admin_password", "monitor.tokens", "monitor.users", "monitor.webhook_secret", "monitor.webhooks", "redis.url",
}

// seedNames are the variables of the deployment document, the stronger first.
var seedNames = map[string][]string{
	"database.url": {"DATABASE_URL"},
	"redis.url":    {"CELERY_BROKER_URL", "REDIS_URL"},
}

// Source says where the configuration comes from, the weakest first.
type Source struct {
	Defaults  []byte            // config.yaml as built in
	Overrides map[string]string // a role's own defaults
	File      string            // a file to read; empty: none
	Environ   []string          // as os.Environ gives it
	Flags     map[string]any    // from the command line
	SeedNames bool              // whether DATABASE_URL and its like count
}

// Load reads the configuration strictly: unknown keys and values of the wrong
// type are errors, all reported at once and marked with ErrConfig. It does not
// validate; see Config.Validate.
func Load(s Source) (Config, *Effective, error) {
	var c Config
	v := viper.New()
	v.SetConfigType("yaml")
	if err := v.ReadConfig(bytes.NewReader(s.Defaults)); err != nil {
		return c, nil, fmt.Errorf("read built-in configuration: %w", err)
	}
	known := v.AllKeys()
	for k, value := range s.Overrides {
		v.Set(k, value)
	}
	defaults := v.AllSettings()
	if err := decode(defaults, &c); err != nil {
		return c, nil, fmt.Errorf("built-in configuration: %w", err)
	}

	var errs []error
	set := viper.New()
	set.SetConfigType("yaml")
	if s.File != "" {
		data, err := os.ReadFile(s.File)
		if err != nil {
			errs = append(errs, fmt.Errorf("read %s: %w", s.File, err))
		} else if err := set.ReadConfig(bytes.NewReader(data)); err != nil {
			errs = append(errs, fmt.Errorf("read %s: %w", s.File, err))
		}
	}
	env, err := fromEnvironment(s, known)
	errs = append(errs, err)
	for k, value := range env {
		set.Set(k, value)
	}
	for k, value := range s.Flags {
		set.Set(k, value)
	}
	for _, k := range set.AllKeys() {
		value := set.Get(k)
		isSection := slices.ContainsFunc(known, func(one string) bool { return strings.HasPrefix(one, k+".") })
		if value == nil && (isSection || slices.Contains(known, k)) {
			continue // a name with nothing after it keeps the defaults
		}
		if !slices.Contains(known, k) {
			errs = append(errs, fmt.Errorf("unknown key %q", k))
			continue
		}
		// One at a time, so that each problem names its key and none hides another.
		one := viper.New()
		one.Set(k, value)
		if err := decode(one.AllSettings(), &c); err != nil {
			errs = append(errs, fmt.Errorf("%s (%s): %w", k, Variable(k), plain(err)))
			continue
		}
		v.Set(k, value)
	}
	if err := errors.Join(errs...); err != nil {
		return c, nil, errors.Join(ErrConfig, err)
	}
	return c, &Effective{settings: v.AllSettings()}, nil
}

// Variable is the environment variable that overrides key.
func Variable(key string) string {
	return "ANB_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// fromEnvironment returns the keys that the environment sets. An empty variable
// counts as absent. ANB_TEST_… and ANB_CONFIG are not keys.
func fromEnvironment(s Source, known []string) (map[string]string, error) {
	keys := map[string]string{}
	for _, k := range known {
		keys[Variable(k)] = k
	}
	values := map[string]string{}
	for _, kv := range s.Environ {
		name, value, _ := strings.Cut(kv, "=")
		if value != "" {
			values[name] = value
		}
	}
	out := map[string]string{}
	var errs []error
	for _, k := range secrets {
		names := append([]string{}, Variable(k))
		if s.SeedNames {
			names = append(names, seedNames[k]...)
		}
		for _, name := range names {
			if path, ok := values[name+"_FILE"]; ok {
				data, err := os.ReadFile(path)
				if err != nil {
					errs = append(errs, fmt.Errorf("%s_FILE: %w", name, err))
				}
				if _, ok := values[name]; ok {
					errs = append(errs, fmt.Errorf("%s and %s_FILE are both set; keep one", name, name))
				}
				values[name] = strings.TrimSpace(string(data))
				keys[name+"_FILE"] = "" // known, nothing more to read
			}
			if value, ok := values[name]; ok && out[k] == "" {
				out[k] = value
			}
		}
	}
	for name, value := range values {
		k, ok := keys[name]
		switch {
		case ok && k != "" && out[k] == "":
			out[k] = value
		case !ok && strings.HasPrefix(name, "ANB_") && !strings.HasPrefix(name, "ANB_TEST_") && name != "ANB_CONFIG" && !slices.Contains(crash.Variables(), name):
			errs = append(errs, fmt.Errorf("unknown variable %s", name))
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return out, errors.Join(errs...)
}

// decode is strict about names and, since all values of the environment are
// text, lenient about how a number or a list is written.
func decode(settings map[string]any, into *Config) error {
	d, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		Result: into, ErrorUnused: true, WeaklyTypedInput: true,
		DecodeHook: mapstructure.ComposeDecodeHookFunc(
			mapstructure.StringToTimeDurationHookFunc(), listOrTime, refuseBareDurations),
	})
	if err != nil {
		return err
	}
	return d.Decode(settings)
}

// plain cuts mapstructure's preamble off.
func plain(err error) error {
	s := err.Error()
	if i := strings.Index(s, "\n"); i >= 0 {
		s = strings.TrimSpace(s[i:])
	}
	return errors.New(strings.ReplaceAll(strings.TrimPrefix(s, "* "), "\n", " "))
}

// Effective is the configuration in force, for people to look at.
type Effective struct{ settings map[string]any }

const masked = "••••••"

// Masked returns every key with its value, without secrets: of addresses only
// the password is hidden.
func (e *Effective) Masked() map[string]any {
	v := viper.New()
	_ = v.MergeConfigMap(e.settings) // a map of viper's own making
	for _, k := range secrets {
		if s := v.GetString(k); s != "" {
			v.Set(k, mask(k, s))
		} else if len(v.GetStringSlice(k)) > 0 {
			v.Set(k, masked)
		}
	}
	return v.AllSettings()
}

// mask hides all of a secret but what an address tells beside its password.
// What is not surely such an address is hidden whole.
func mask(key, secret string) string {
	u, err := url.Parse(secret)
	if err != nil || u.Scheme == "" || !strings.HasSuffix(key, ".url") {
		return masked
	}
	if u.Opaque != "" && u.Scheme != "sqlite" {
		return masked
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return masked
	}
	if _, ok := u.User.Password(); ok {
		u.User = url.UserPassword(u.User.Username(), "xxxxx")
	}
	for name := range q {
		if strings.Contains(strings.ToLower(name), "pass") {
			q.Set(name, "xxxxx")
			u.RawQuery = q.Encode()
		}
	}
	return u.String()
}

// listOrTime reads a list written as text with commas, and gives a time that
// YAML has recognised its text back.
func listOrTime(_, to reflect.Type, data any) (any, error) {
	switch data := data.(type) {
	case string:
		if to != reflect.TypeFor[[]string]() {
			return data, nil
		}
		items := []string{}
		for item := range strings.SplitSeq(data, ",") {
			items = append(items, strings.TrimSpace(item))
		}
		return items, nil
	case time.Time:
		if to.Kind() == reflect.String {
			return data.Format(time.RFC3339), nil
		}
	}
	return data, nil
}

// refuseBareDurations keeps a number without a unit from being read as
// nanoseconds.
func refuseBareDurations(from, to reflect.Type, data any) (any, error) {
	if to == reflect.TypeFor[time.Duration]() && from != to {
		return nil, fmt.Errorf("%v has no unit; write a duration such as 30s", data)
	}
	return data, nil
}
