package app

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"anb/modules/auth"
	"anb/modules/monitor"
	"anb/modules/processing"
	"anb/modules/rankings"
	"anb/platform/database"
	"anb/platform/ffmpeg"
	"anb/platform/httpserver"
	"anb/platform/logging"
	"anb/platform/storage"
)

// Config is the whole configuration, one section for each package that has
// one. config.yaml lists every key.
type Config struct {
	HTTP       httpserver.Config        `mapstructure:"http"`
	Log        logging.Config           `mapstructure:"log"`
	Database   database.Config          `mapstructure:"database"`
	Redis      Redis                    `mapstructure:"redis"`
	Storage    Storage                  `mapstructure:"storage"`
	Auth       auth.Config              `mapstructure:"auth"`
	Upload     Upload                   `mapstructure:"upload"`
	Voting     rankings.Config          `mapstructure:"voting"`
	Processing processing.Config        `mapstructure:"processing"`
	Encoder    processing.EncoderConfig `mapstructure:"encoder"`
	FFmpeg     ffmpeg.Config            `mapstructure:"ffmpeg"`
	Work       Work                     `mapstructure:"work"`
	Metrics    Metrics                  `mapstructure:"metrics"`
	Monitor    monitor.Config           `mapstructure:"monitor"` // only its own role validates it
}

// Redis says where the bus is.
type Redis struct {
	URL string `mapstructure:"url"` // redis:// or rediss://; a secret
}

// Validate reports every problem at once.
func (c Redis) Validate() error {
	if u, err := url.Parse(c.URL); err != nil || u.Host == "" || (u.Scheme != "redis" && u.Scheme != "rediss") {
		return errors.New("redis.url is not redis://[user:password@]host[:port][/db]; set REDIS_URL or ANB_REDIS_URL")
	}
	return nil
}

// Storage says where files are kept.
type Storage struct {
	Originals string `mapstructure:"originals"`
	Processed string `mapstructure:"processed"`
	StageDir  string `mapstructure:"stage_dir"`
}

func (c Storage) originals() storage.Config {
	return storage.Config{URL: c.Originals, StageDir: c.StageDir}
}

func (c Storage) processed() storage.Config {
	return storage.Config{URL: c.Processed, StageDir: c.StageDir}
}

// Validate reports every problem at once.
func (c Storage) Validate() error {
	err := errors.Join(
		section("storage.originals (ANB_STORAGE_ORIGINALS)", c.originals().Validate()),
		section("storage.processed (ANB_STORAGE_PROCESSED)", c.processed().Validate()),
	)
	if err == nil && storage.Overlap(c.originals(), c.processed()) {
		err = errors.New("storage.originals and storage.processed must be apart, neither within the other: " +
			"originals are private, and the janitor of one would remove the files of the other")
	}
	return err
}

// Upload says which files are accepted.
type Upload struct {
	processing.Limits `mapstructure:",squash"`
	OriginalTTL       time.Duration `mapstructure:"original_ttl"`  // of a signed address
	RepeatWindow      time.Duration `mapstructure:"repeat_window"` // 0: never
	PerPlayer         int           `mapstructure:"per_player"`    // uploads at once of an account; 0: any number
	AtOnce            int           `mapstructure:"at_once"`       // uploads at once of this process; 0: any number
	Reserve           int64         `mapstructure:"reserve"`       // bytes that uploads leave free on the originals' disk; 0: none
}

// Validate reports every problem at once.
func (c Upload) Validate() error {
	err := section("upload", c.Limits.Validate())
	if c.OriginalTTL < time.Minute {
		err = errors.Join(err, errors.New("upload.original_ttl must be at least 1m (ANB_UPLOAD_ORIGINAL_TTL)"))
	}
	if c.RepeatWindow < 0 || c.RepeatWindow > 24*time.Hour {
		err = errors.Join(err, errors.New("upload.repeat_window must be from 0s (never) to 24h (ANB_UPLOAD_REPEAT_WINDOW)"))
	}
	if c.PerPlayer < 0 {
		err = errors.Join(err, errors.New("upload.per_player must not be negative; 0 is any number (ANB_UPLOAD_PER_PLAYER)"))
	}
	if c.AtOnce < 0 {
		err = errors.Join(err, errors.New("upload.at_once must not be negative; 0 is any number (ANB_UPLOAD_AT_ONCE)"))
	}
	if c.Reserve < 0 {
		err = errors.Join(err, errors.New("upload.reserve must not be negative; 0 is none (ANB_UPLOAD_RESERVE)"))
	}
	return err
}

// Work says what a worker takes on.
type Work struct {
	Queues          []string      `mapstructure:"queues"`
	Concurrency     int           `mapstructure:"concurrency"`
	Drain           time.Duration `mapstructure:"drain"`
	JanitorInterval time.Duration `mapstructure:"janitor_interval"`
}

// Validate reports every problem at once.
func (c Work) Validate() error {
	var errs []error
	if len(c.Queues) == 0 || slices.Contains(c.Queues, "") {
		errs = append(errs, errors.New("work.queues is empty or has an empty name (ANB_WORK_QUEUES)"))
	}
	if c.Concurrency < 1 || c.Concurrency > 256 {
		errs = append(errs, errors.New("work.concurrency must be from 1 to 256 (ANB_WORK_CONCURRENCY)"))
	}
	if c.Drain < 0 {
		errs = append(errs, errors.New("work.drain must not be negative (ANB_WORK_DRAIN)"))
	}
	if c.JanitorInterval <= 0 {
		errs = append(errs, errors.New("work.janitor_interval must be positive, such as 10m (ANB_WORK_JANITOR_INTERVAL)"))
	}
	return errors.Join(errs...)
}

// Metrics says where /metrics is served.
type Metrics struct {
	Addr string `mapstructure:"addr"`
}

// Validate reports every problem at once.
func (c Metrics) Validate() error {
	if c.Addr == "" {
		return nil
	}
	_, port, err := net.SplitHostPort(c.Addr)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil {
		return fmt.Errorf("metrics.addr %q is not host:port (ANB_METRICS_ADDR)", c.Addr)
	}
	return nil
}

// Validate reports every problem of all sections at once. The secret of tokens
// is only asked for when signing says that the role needs it.
func (c Config) Validate(signing bool) error {
	a := c.Auth
	if !signing && a.JWTSecret == "" {
		a.JWTSecret = strings.Repeat("-", 32) // the other keys are still checked
	}
	return errors.Join(
		c.HTTP.Validate(), c.Log.Validate(), c.Database.Validate(), c.Redis.Validate(), c.Storage.Validate(), a.Validate(),
		c.Upload.Validate(), c.Voting.Validate(), c.Processing.Validate(), section("encoder", c.encoder().Validate()),
		c.FFmpeg.Validate(), c.Work.Validate(), c.Metrics.Validate(),
	)
}

// encoder is the section with what other sections say for it.
func (c Config) encoder() processing.EncoderConfig {
	e := c.Encoder
	e.Timeout, e.MaxPixels = c.Processing.Timeout, c.Upload.MaxPixels
	return e
}

// section puts the name of a section before each problem in it.
func section(name string, err error) error {
	if err == nil {
		return nil
	}
	var out []error
	for line := range strings.SplitSeq(err.Error(), "\n") {
		out = append(out, errors.New(name+": "+line))
	}
	return errors.Join(out...)
}
