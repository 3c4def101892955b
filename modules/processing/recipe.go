package processing

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"anb/platform/ffmpeg"
)

// EncoderConfig says what published videos are like.
type EncoderConfig struct {
	Width      int           `mapstructure:"width"` // pixels, even
	Height     int           `mapstructure:"height"`
	FPS        int           `mapstructure:"fps"`
	ClipLength time.Duration `mapstructure:"clip_length"` // at most this much of the upload
	CardLength time.Duration `mapstructure:"card_length"` // of the opening and of the closing card
	PlayerCard bool          `mapstructure:"player_card"` // the player's name and city are on the opening card
	Codec      string        `mapstructure:"codec"`       // AnyCodec, libx264, h264_nvenc or h264_vaapi
	Preset     string        `mapstructure:"preset"`      // of x264
	CRF        int           `mapstructure:"crf"`         // quality, 0 to 51; less is better
	Threads    int           `mapstructure:"threads"`     // of one job
	Timeout    time.Duration `mapstructure:"-"`           // for one job, all stages
	MaxPixels  int           `mapstructure:"-"`           // of a picture of the upload, enforced while decoding
}

// Validate reports every problem at once.
func (c EncoderConfig) Validate() error {
	var errs []error
	if c.Width < 64 || c.Width > 1920 || c.Height < 64 || c.Height > 1920 || c.Width%2 != 0 || c.Height%2 != 0 {
		errs = append(errs, fmt.Errorf("width and height are %dx%d; use even numbers from 64 to 1920", c.Width, c.Height))
	}
	if c.FPS < 1 || c.FPS > 60 {
		errs = append(errs, errors.New("fps must be from 1 to 60"))
	}
	if c.FPS > 0 && (c.frames(c.ClipLength) < 1 || c.frames(c.CardLength) < 1) {
		errs = append(errs, errors.New("clip_length and card_length must be at least one picture long, such as 30s and 2.5s"))
	}
	errs = append(errs, c.validateCodec())
	switch c.Preset {
	case "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow":
	default:
		errs = append(errs, fmt.Errorf("preset is %q; use one of x264's from superfast to veryslow (ultrafast cannot make the High profile)", c.Preset))
	}
	if c.CRF < 0 || c.CRF > 51 {
		errs = append(errs, errors.New("crf must be from 0 to 51"))
	}
	if c.Threads < 1 || c.Threads > 64 {
		errs = append(errs, errors.New("threads must be from 1 to 64"))
	}
	if c.Timeout <= 0 {
		errs = append(errs, errors.New("timeout must be positive, such as 10m"))
	}
	if c.MaxPixels < 1 {
		errs = append(errs, errors.New("max_pixels must be positive"))
	}
	return errors.Join(errs...)
}

// frames is the number of pictures shown in d.
func (c EncoderConfig) frames(d time.Duration) int64 {
	return int64(math.Round(d.Seconds() * float64(c.FPS)))
}

// Stage is a part of the work on a video.
type Stage string

// The stages in their order. The encoder reports those from StageEncode to
// StageCheck; the first and the last are its caller's.
const (
	StageProbe   Stage = "probe"
	StageEncode  Stage = "encode"
	StageJoin    Stage = "join"
	StageCheck   Stage = "check"
	StagePublish Stage = "publish"
)

// Job is one video to encode.
type Job struct {
	Path   string        // the upload, a local file; it is only read
	Source Source        // what Inspector said about it
	Start  time.Duration // where the clip begins, since the start of the file
	Dir    string        // an empty folder for this job alone; the caller removes it
	Player string        // shown on the opening card, if the configuration says so; may be empty
	City   string        // the same
	// OnLine, if set, receives each line that ffmpeg writes on stderr, without
	// control characters. OnCommand, if set, receives each command line of ffmpeg
	// before it runs, quoted for a shell, and OnExit how it ended, nil when well.
	// All must return quickly.
	OnLine    func(string)
	OnCommand func(string)
	OnExit    func(error)
	// Log, if set, is told when each run of ffmpeg begins and ends; else the
	// encoder's is.
	Log *slog.Logger
}

// File is a finished file.
type File struct {
	Path   string
	Size   int64  // bytes
	SHA256 string // hexadecimal
}

// Output is what Encode made, in the job's folder.
type Output struct {
	Video        File
	Poster       File          // JPEG, 640 pixels wide
	Start        time.Duration // where the clip really begins
	Duration     time.Duration // of the video with its cards
	Width        int           // pixels
	Height       int
	Frames       int64
	DecodeErrors int    // complaints about the upload, which was still good enough
	Codec        string // of ffmpeg, that made it
	SinglePass   bool   // the cards could not be joined by copying
}

// Encoder turns uploads into published videos. It is safe for concurrent use.
type Encoder struct {
	config EncoderConfig
	tools  *ffmpeg.Tools
	cache  string
	log    *slog.Logger

	mu    sync.Mutex // serialises Prepare
	ready *artwork
}

// NewEncoder checks the configuration and makes cacheDir, where the cards are
// kept from one start to the next.
func NewEncoder(c EncoderConfig, tools *ffmpeg.Tools, cacheDir string, log *slog.Logger) (*Encoder, error) {
	if tools == nil || log == nil || cacheDir == "" {
		return nil, errors.New("encoder needs ffmpeg, a cache folder and a logger")
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if strings.ContainsAny(cacheDir, "\n\r") {
		return nil, errors.New("the name of the cache folder has a line break")
	}
	cacheDir, err := filepath.Abs(cacheDir) // ffmpeg runs in a folder of its own
	if err != nil {
		return nil, fmt.Errorf("make cache folder: %w", err)
	}
	if err := os.MkdirAll(cacheDir, 0o750); err != nil {
		return nil, fmt.Errorf("make cache folder: %w", err)
	}
	return &Encoder{config: c, tools: tools, cache: cacheDir, log: log}, nil
}
