package app

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// defaults is the real config.yaml.
func defaults(t *testing.T) []byte {
	t.Helper()
	b, err := os.ReadFile("../../../config.yaml")
	require.NoError(t, err)
	return b
}

// load reads the defaults, then file if not empty, then env.
func load(t *testing.T, file string, env ...string) (Config, *Effective, error) {
	t.Helper()
	s := Source{Defaults: defaults(t), Environ: env, SeedNames: true}
	if file != "" {
		s.File = filepath.Join(t.TempDir(), "anb.yaml")
		require.NoError(t, os.WriteFile(s.File, []byte(file), 0o600))
	}
	return Load(s)
}

// fields are the settings in v by key.
func fields(v reflect.Value, prefix string) map[string]reflect.Value {
	out := map[string]reflect.Value{}
	for i := range v.NumField() {
		name, option, _ := strings.Cut(v.Type().Field(i).Tag.Get("mapstructure"), ",")
		switch f := v.Field(i); {
		case name == "-": // another section's value
		case option == "squash":
			maps.Copy(out, fields(f, prefix))
		case f.Kind() == reflect.Struct:
			maps.Copy(out, fields(f, prefix+name+"."))
		default:
			out[prefix+name] = f
		}
	}
	return out
}

func TestConfig_AndItsFileHaveTheSameKeys(t *testing.T) {
	t.Parallel()
	var file map[string]map[string]any
	require.NoError(t, yaml.Unmarshal(defaults(t), &file))
	var written []string
	for section, keys := range file {
		for k := range keys {
			written = append(written, section+"."+k)
		}
	}
	known := slices.Collect(maps.Keys(fields(reflect.ValueOf(Config{}), "")))
	require.ElementsMatch(t, known, written)
}

func TestLoad_EveryKeyCanBeSetByItsVariableAlone(t *testing.T) {
	t.Parallel()
	base, _, err := load(t, "")
	require.NoError(t, err)
	for key, f := range fields(reflect.ValueOf(base), "") {
		var text string
		var want any
		switch f.Interface().(type) {
		case time.Duration:
			text, want = "7m1s", 7*time.Minute+time.Second
		case []string:
			text, want = "one,two", []string{"one", "two"}
		case string:
			text, want = "other", "other"
		case bool:
			text, want = map[bool]string{true: "false", false: "true"}[f.Bool()], !f.Bool()
		default:
			text, want = "77", reflect.ValueOf(77).Convert(f.Type()).Interface()
		}
		got, _, err := load(t, "", Variable(key)+"="+text)
		require.NoError(t, err, key)
		for k, g := range fields(reflect.ValueOf(got), "") {
			if k == key {
				require.Equal(t, want, g.Interface(), key)
			} else {
				require.Equal(t, fields(reflect.ValueOf(base), "")[k].Interface(), g.Interface(), "%s changes %s", key, k)
			}
		}
	}
}

func TestLoad_NamesWhatItRefuses(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		file string
		env  []string
		want []string
	}{
		"unknown key":              {"http:\n  adr: x\n", nil, []string{`"http.adr"`}},
		"unknown section":          {"web:\n  addr: x\n", nil, []string{`"web.addr"`}},
		"unknown variable":         {"", []string{"ANB_PORT=abc"}, []string{"ANB_PORT"}},
		"file of a key not secret": {"", []string{"ANB_HTTP_ADDR_FILE=/x"}, []string{"ANB_HTTP_ADDR_FILE"}},
		"all problems at once":     {"http:\n  adr: x\nlog:\n  levle: x\n", []string{"ANB_X=1", "ANB_WORK_CONCURRENCY=many", "ANB_HTTP_READ_TIMEOUT=soon"}, []string{"http.adr", "log.levle", "ANB_X", "ANB_WORK_CONCURRENCY", "ANB_HTTP_READ_TIMEOUT"}},
		"bare number of seconds":   {"", []string{"ANB_HTTP_READ_TIMEOUT=30"}, []string{"http.read_timeout", "no unit|missing unit"}},
		"bare number in the file":  {"http:\n  read_timeout: 30\n", nil, []string{"http.read_timeout", "unit"}},
		"number not a number":      {"", []string{"ANB_DATABASE_MAX_OPEN=8x"}, []string{"ANB_DATABASE_MAX_OPEN"}},
		"bool not a bool":          {"", []string{"ANB_VOTING_OWN_VIDEO=si"}, []string{"ANB_VOTING_OWN_VIDEO"}},
		"tab":                      {"http:\n\taddr: x\n", nil, []string{"tab|cannot start any token"}},
		"duplicate key":            {"http:\n  addr: a:1\n  addr: b:2\n", nil, []string{"addr.*already"}},
		"list for a section":       {"http: [a, b]\n", nil, []string{`"http"`}},
		"text for a section":       {"http: a\n", nil, []string{`"http"`}},
		"map for a value":          {"http:\n  addr: {host: x}\n", nil, []string{"http.addr"}},
		"map for a list":           {"upload:\n  formats: {a: b}\n", nil, []string{"upload.formats"}},
		"list for a value":         {"http:\n  addr: [a, b]\n", nil, []string{"http.addr"}},
		"whole file is a list":     {"- a\n", nil, []string{"anb.yaml"}},
		"secret and its file":      {"", []string{"ANB_AUTH_JWT_SECRET=a", "ANB_AUTH_JWT_SECRET_FILE=/dev/null"}, []string{"ANB_AUTH_JWT_SECRET_FILE are both set"}},
		"file of a secret missing": {"", []string{"DATABASE_URL_FILE=/nonexistent/url"}, []string{"DATABASE_URL_FILE"}},
		"directory for a file":     {"", []string{"ANB_REDIS_URL_FILE=/tmp"}, []string{"ANB_REDIS_URL_FILE"}},
	} {
		_, _, err := load(t, tt.file, tt.env...)
		require.ErrorIs(t, err, ErrConfig, name)
		for _, want := range tt.want {
			require.Regexp(t, want, err.Error(), name)
		}
	}
	_, _, err := Load(Source{Defaults: defaults(t), File: filepath.Join(t.TempDir(), "none.yaml")})
	require.ErrorIs(t, err, ErrConfig)
	require.ErrorContains(t, err, "none.yaml")
}

func TestLoad_TakesHarmlessFiles(t *testing.T) {
	t.Parallel()
	base, _, err := load(t, "")
	require.NoError(t, err)
	for _, file := range []string{"# nothing\n", "http:\n", "http:\n  addr:\n", "---\n", string(defaults(t))} {
		got, _, err := load(t, file, "ANB_HTTP_ADDR=", "ANB_TEST_REQUIRE=1", "ANB_CONFIG=x", "PATH=/bin", "HTTP_ADDR=x")
		require.NoError(t, err, file)
		require.Equal(t, base, got, file)
	}
	got, _, err := load(t, "upload:\n  formats: [mp4]\nvoting:\n  opens_at: \"2026-01-01T00:00:00Z\"\n", "ANB_UPLOAD_FORMATS=mov, webm")
	require.NoError(t, err)
	require.Equal(t, []string{"mov", "webm"}, got.Upload.Formats, "a blank after the comma is no part of the name")
	got, _, err = load(t, "voting:\n  opens_at: 2026-01-01T00:00:00Z\n")
	require.NoError(t, err, "a time need not be quoted")
	require.Equal(t, "2026-01-01T00:00:00Z", got.Voting.OpensAt)
}

func TestLoad_StrongerSourcesWin(t *testing.T) {
	t.Parallel()
	const db = "postgres://u:p%40s%25s%2Fw@db:5432/anb"
	path := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(path, []byte(db+"\n"), 0o600))
	for _, tt := range []struct {
		env       []string
		db, redis string
	}{
		{[]string{"DATABASE_URL=" + db, "REDIS_URL=redis://r/0"}, db, "redis://r/0"},
		{[]string{"REDIS_URL=redis://r/0", "CELERY_BROKER_URL=redis://c/1"}, "", "redis://c/1"},
		{[]string{"CELERY_BROKER_URL=redis://c/1", "ANB_REDIS_URL=redis://a/2"}, "", "redis://a/2"},
		{[]string{"DATABASE_URL=postgres://x/y", "ANB_DATABASE_URL=" + db}, db, ""},
		{[]string{"DATABASE_URL_FILE=" + path}, db, ""},
		{[]string{"ANB_DATABASE_URL_FILE=" + path, "DATABASE_URL=postgres://x/y"}, db, ""},
	} {
		got, _, err := load(t, "database:\n  url: postgres://file/x\nredis:\n  url: redis://file/0\n", tt.env...)
		require.NoError(t, err)
		require.Equal(t, max(tt.db, map[bool]string{true: "postgres://file/x"}[tt.db == ""]), got.Database.URL, tt.env)
		require.Equal(t, max(tt.redis, map[bool]string{true: "redis://file/0"}[tt.redis == ""]), got.Redis.URL, tt.env)
	}
	s := Source{Defaults: defaults(t), Environ: []string{"DATABASE_URL=" + db, "ANB_WORK_CONCURRENCY=3"}, Overrides: map[string]string{"database.url": "sqlite:x", "work.drain": "1s"}}
	s.Flags = map[string]any{"work.concurrency": 5, "work.queues": []string{"a", "b"}}
	got, _, err := Load(s)
	require.NoError(t, err)
	require.Equal(t, "sqlite:x", got.Database.URL, "seed names do not count here")
	require.Equal(t, 5, got.Work.Concurrency)
	require.Equal(t, []string{"a", "b"}, got.Work.Queues)
	require.Equal(t, time.Second, got.Work.Drain)
}

func TestMasked_ShowsNoSecret(t *testing.T) {
	t.Parallel()
	const secret = "hush-hush-9Z"
	for _, address := range []string{
		"postgres://u:" + secret + "@h/db", "postgres://h/db?password=" + secret, "postgres://h/db?sslpassword=" + secret + "&a=b",
		"postgres://u:%zz" + secret + "@h/db", "postgres://h/db?password=%zz" + secret, "postgres://h/db?a=1;password=" + secret,
		"host=h password=" + secret, "postgres:host=h password=" + secret, "redis://:" + secret + "@h",
	} {
		_, effective, err := load(t, "", "DATABASE_URL="+address, "REDIS_URL="+address, "ANB_AUTH_JWT_SECRET="+secret)
		require.NoError(t, err)
		out, err := yaml.Marshal(effective.Masked())
		require.NoError(t, err)
		require.NotContains(t, string(out), secret, address)
	}
	_, effective, err := load(t, "", "ANB_MONITOR_USERS=ana:admin:"+secret, "ANB_MONITOR_TOKENS=ci:viewer:"+secret, "ANB_MONITOR_ADMIN_PASSWORD="+secret)
	require.NoError(t, err)
	out, err := yaml.Marshal(effective.Masked())
	require.NoError(t, err)
	require.NotContains(t, string(out), secret)
	for _, where := range [][]string{{"", "ANB_MONITOR_WEBHOOKS=https://hooks.example/" + secret + ",https://h/" + secret}, {"monitor:\n  webhooks: [\"https://h/" + secret + "\"]\n"}} {
		_, effective, err = load(t, where[0], append(where[1:], "ANB_MONITOR_WEBHOOK_SECRET="+secret)...)
		require.NoError(t, err)
		out, err = yaml.Marshal(effective.Masked())
		require.NoError(t, err)
		require.NotContains(t, string(out), secret)
	}
	_, effective, err = load(t, "", "DATABASE_URL=postgres://u:"+secret+"@h:5433/db?sslmode=disable")
	require.NoError(t, err)
	require.Equal(t, "postgres://u:xxxxx@h:5433/db?sslmode=disable", effective.Masked()["database"].(map[string]any)["url"])
}

func TestLoad_ReadsTheDashboardsSecretsFromFiles(t *testing.T) {
	t.Parallel()
	const lines = "# people\nana:admin:x\nelias:viewer:y"
	path := filepath.Join(t.TempDir(), "users")
	require.NoError(t, os.WriteFile(path, []byte(lines+"\n"), 0o600))
	got, _, err := load(t, "", "ANB_MONITOR_USERS_FILE="+path, "ANB_MONITOR_TOKENS_FILE="+path, "ANB_MONITOR_ADMIN_PASSWORD_FILE="+path)
	require.NoError(t, err)
	require.Equal(t, []string{lines, lines, lines}, []string{got.Monitor.Users, got.Monitor.Tokens, got.Monitor.AdminPassword})
	require.NoError(t, os.WriteFile(path, []byte("https://a.example/x, https://b.example/y\n"), 0o600))
	got, _, err = load(t, "", "ANB_MONITOR_WEBHOOKS_FILE="+path)
	require.NoError(t, err)
	require.Equal(t, []string{"https://a.example/x", "https://b.example/y"}, got.Monitor.Webhooks)
}

func TestMonitorConfig_IsSoundByDefaultAndRefusesTheWorldWithoutUsers(t *testing.T) {
	t.Parallel()
	c, _, err := load(t, "")
	require.NoError(t, err)
	require.NoError(t, c.Monitor.Validate())
	c, _, err = load(t, "", "ANB_MONITOR_ADDR=0.0.0.0:5555")
	require.NoError(t, err)
	require.ErrorContains(t, c.Monitor.Validate(), "anb monitor hash-password")
}
