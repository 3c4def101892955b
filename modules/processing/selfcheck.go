package processing

import (
	"context"
	"errors"
	"fmt"
	"image/jpeg"
	"os"
	"slices"
	"time"

	"anb/platform/ffmpeg"
)

// expectation is what a finished video must be.
type expectation struct {
	width, height, fps int
	frames             int64
}

func (c EncoderConfig) expect(frames int64) expectation {
	return expectation{width: c.Width, height: c.Height, fps: c.FPS, frames: frames}
}

// check looks at the finished video and its poster as if someone else had made
// them. A mistake is ours, so the reason is transient.
func (r *run) check(ctx context.Context, frames int64) error {
	video := r.path(videoName)
	info, err := r.tools.Probe(ctx, video, []string{"mov"})
	if err != nil {
		return failure("check video", err, ReasonEncoderFailed)
	}
	err = errors.Join(r.config.expect(frames).matches(info), checkLayout(video), checkPoster(r.path(posterName)))
	if err != nil {
		return failure("check video", err, ReasonEncoderFailed)
	}
	return nil
}

// matches reports every difference.
func (x expectation) matches(info ffmpeg.Info) error {
	if len(info.Streams) != 1 {
		return fmt.Errorf("%d streams instead of 1", len(info.Streams))
	}
	v := info.Streams[0]
	var errs []error
	same := func(what string, got, want any) {
		if got != want {
			errs = append(errs, fmt.Errorf("%s is %v instead of %v", what, got, want))
		}
	}
	same("kind", v.Kind, "video")
	same("codec", v.Codec, "h264")
	same("profile", v.Profile, "High")
	same("pixel format", v.PixFmt, "yuv420p")
	same("width", v.Width, x.width)
	same("height", v.Height, x.height)
	same("pixel shape", v.SAR, ffmpeg.Ratio{Num: 1, Den: 1})
	same("rotation", v.Rotation, 0)
	same("frame rate", v.AverageRate, ffmpeg.Ratio{Num: int64(x.fps), Den: 1})
	same("base rate", v.BaseRate, ffmpeg.Ratio{Num: int64(x.fps), Den: 1})
	same("frames", v.Frames, x.frames)
	same("colour matrix", v.ColorSpace, "bt709")
	same("colour transfer", v.ColorTransfer, "bt709")
	same("start", v.Start, time.Duration(0))
	errs = append(errs, x.checkTimes(info), checkTags(info))
	return errors.Join(errs...)
}

func (x expectation) checkTimes(info ffmpeg.Info) error {
	frame := time.Second / time.Duration(x.fps)
	want := time.Duration(x.frames) * time.Second / time.Duration(x.fps)
	for _, got := range []time.Duration{info.Duration, info.Streams[0].Duration} {
		if (got - want).Abs() >= frame {
			return fmt.Errorf("duration is %s instead of %s", got, want)
		}
	}
	return nil
}

// checkTags allows what the muxer itself writes. Anything else may be where
// the upload was filmed, by whom and with what.
func checkTags(info ffmpeg.Info) error {
	var errs []error
	report := func(tags map[string]string, allowed ...string) {
		for tag := range tags {
			if !slices.Contains(allowed, tag) {
				errs = append(errs, fmt.Errorf("tag %q is still there", tag))
			}
		}
	}
	report(info.Tags, "major_brand", "minor_version", "compatible_brands", "encoder")
	for _, s := range info.Streams {
		report(s.Tags, "language", "handler_name", "vendor_id", "encoder")
	}
	return errors.Join(errs...)
}

// checkPoster decodes the poster.
func checkPoster(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open poster: %w", err)
	}
	defer f.Close()
	picture, err := jpeg.Decode(f)
	if err != nil {
		return fmt.Errorf("decode poster: %w", err)
	}
	if picture.Bounds().Dx() != posterWidth {
		return fmt.Errorf("poster is %d pixels wide instead of %d", picture.Bounds().Dx(), posterWidth)
	}
	return nil
}
