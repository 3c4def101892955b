package processing

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
)

// Limits say which uploads are accepted.
type Limits struct {
	MaxBytes     int64         `mapstructure:"max_bytes"`
	MinDuration  time.Duration `mapstructure:"min_duration"` // of the pictures
	MaxDuration  time.Duration `mapstructure:"max_duration"`
	Tolerance    time.Duration `mapstructure:"tolerance"`      // allowed on either side of the two
	MinShortSide int           `mapstructure:"min_short_side"` // pixels; 1080 is Full HD, upright or not
	MaxPixels    int           `mapstructure:"max_pixels"`     // width times height of one picture
	Formats      []string      `mapstructure:"formats"`        // extensions without the dot: mp4, mov, webm
}

// Validate reports every problem at once.
func (l Limits) Validate() error {
	var errs []error
	if l.MaxBytes < 1 {
		errs = append(errs, errors.New("max_bytes must be positive"))
	}
	if l.MinDuration <= 0 || l.MaxDuration < l.MinDuration {
		errs = append(errs, errors.New("min_duration must be positive and max_duration at least that"))
	}
	if l.Tolerance < 0 || l.Tolerance >= l.MinDuration {
		errs = append(errs, errors.New("tolerance must not be negative and be less than min_duration"))
	}
	if l.MinShortSide < 2 {
		errs = append(errs, errors.New("min_short_side must be at least 2 pixels"))
	}
	if l.MaxPixels < l.MinShortSide*l.MinShortSide {
		errs = append(errs, errors.New("max_pixels must allow pictures of min_short_side"))
	}
	if len(l.Formats) == 0 {
		errs = append(errs, errors.New("formats is empty; name some of mp4, mov, webm"))
	}
	for _, f := range l.Formats {
		if demuxerOf(f) == "" {
			errs = append(errs, fmt.Errorf("formats names %q; use mp4, mov or webm", f))
		}
	}
	return errors.Join(errs...)
}

// AllowsName reports whether a file's name ends as one of the formats, in
// whatever case. The content is judged by Inspector, not by the name.
func (l Limits) AllowsName(name string) bool {
	ext := strings.TrimPrefix(strings.ToLower(path.Ext(name)), ".")
	return slices.Contains(l.Formats, ext)
}

// Message is Reason.Message with the numbers of these limits.
func (l Limits) Message(r Reason) string {
	switch r {
	case ReasonFileTooLarge:
		return fmt.Sprintf("El archivo pesa más de %s. Recorta el video o guárdalo con menor calidad y súbelo otra vez.", megabytes(l.MaxBytes))
	case ReasonContainerNotAllowed:
		return fmt.Sprintf("Este tipo de archivo no se acepta. Guarda o exporta tu video como %s y súbelo otra vez.", strings.ToUpper(strings.Join(l.Formats, " o ")))
	case ReasonResolutionTooLow:
		return fmt.Sprintf("El video se ve con muy poca resolución: el lado corto debe tener al menos %d píxeles. Grábalo en %dp o más y súbelo otra vez.", l.MinShortSide, l.MinShortSide)
	case ReasonDurationTooShort:
		return fmt.Sprintf("El video es demasiado corto: debe durar al menos %g segundos.", l.MinDuration.Seconds())
	case ReasonDurationTooLong:
		return fmt.Sprintf("El video es demasiado largo: puede durar hasta %g segundos. Recórtalo y súbelo otra vez.", l.MaxDuration.Seconds())
	}
	return r.Message()
}

func megabytes(n int64) string {
	if n < 1<<20 {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%d MB", n>>20)
}

// demuxers returns the names that ffmpeg gives the formats.
func (l Limits) demuxers() []string {
	var names []string
	for _, f := range l.Formats {
		if d := demuxerOf(f); d != "" && !slices.Contains(names, d) {
			names = append(names, d)
		}
	}
	return names
}

func demuxerOf(format string) string {
	switch format {
	case "mp4", "mov":
		return "mov"
	case "webm":
		return "matroska"
	}
	return ""
}

// Explain is Message for a reason's code.
func (l Limits) Explain(code string) string {
	for _, r := range Reasons() {
		if r.Code() == code {
			return l.Message(r)
		}
	}
	return Reason("").Message()
}
