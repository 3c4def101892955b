package processing

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"anb/platform/ffmpeg"
)

// Source is what the encoder must know about an accepted file.
type Source struct {
	Demuxer    string // the only one that may open it: mov, matroska
	Stream     int    // index of the video stream
	Codec      string
	Width      int // pixels, upright
	Height     int
	Rotation   int           // degrees counter-clockwise that make the stored pictures upright
	Offset     time.Duration // when the pictures begin, since the start of the file
	Duration   time.Duration // of the pictures
	FPS        float64       // average; 0 when unknown
	Frames     int64         // as the header says; 0 when unknown
	Transfer   string        // smpte2084 or arib-std-b67 for HDR, else empty
	Interlaced bool
	Untagged   bool // the file does not say which colour matrix it uses
}

// HDR reports whether colours must be mapped to the ordinary range.
func (s Source) HDR() bool { return s.Transfer != "" }

func (s Source) measured() Measured {
	return Measured{Duration: s.Duration, Width: s.Width, Height: s.Height, Codec: s.Codec}
}

// Inspector decides whether a file is accepted. It is safe for concurrent use.
type Inspector struct {
	limits Limits
	tools  *ffmpeg.Tools
}

// NewInspector checks the limits.
func NewInspector(l Limits, tools *ffmpeg.Tools) (*Inspector, error) {
	if tools == nil {
		return nil, errors.New("inspector needs ffmpeg")
	}
	if err := l.Validate(); err != nil {
		return nil, err
	}
	return &Inspector{limits: l, tools: tools}, nil
}

// Inspect looks at a local file, by content and never by name, and returns
// what the encoder needs. A file that breaks a limit gives a permanent
// *Failure, a look that did not work a transient one; when ctx is cancelled
// the error is context.Canceled. It takes a tenth of a second, at most half a
// minute.
func (i *Inspector) Inspect(ctx context.Context, path string) (Source, error) {
	stat, err := os.Stat(path)
	if err != nil {
		return Source{}, failure("inspect upload", err, ReasonStorage)
	}
	switch {
	case stat.Size() == 0:
		return Source{}, reject(ReasonEmptyFile, "0 bytes")
	case stat.Size() > i.limits.MaxBytes:
		return Source{}, reject(ReasonFileTooLarge, "%d bytes of at most %d", stat.Size(), i.limits.MaxBytes)
	}
	info, err := i.tools.Probe(ctx, path, i.limits.demuxers())
	if err != nil {
		return Source{}, probeFailure(err)
	}
	if err := i.checkContainer(info); err != nil {
		return Source{}, err
	}
	stream, err := choose(info.Streams)
	if err != nil {
		return Source{}, err
	}
	source := describe(info, stream)
	if err := i.checkPicture(stream, source); err != nil {
		return Source{}, err
	}
	if source.Duration <= 0 {
		extent, err := i.tools.Scan(ctx, path, i.limits.demuxers(), stream.Index)
		if err != nil {
			return Source{}, failure("measure upload", err, ReasonDurationUnknown)
		}
		source.Duration, source.Frames = extent.Duration(), extent.Packets
		source.Offset = max(0, extent.First-info.Start)
	}
	return source, i.checkDuration(source)
}

func probeFailure(err error) error {
	var exit *ffmpeg.ExitError
	if !errors.As(err, &exit) {
		return failure("inspect upload", err, ReasonNotAVideo)
	}
	switch {
	case exit.OutOfMemory: // trying again would end in the same way
		f := reject(ReasonResolutionTooLarge, "inspect upload: more memory than any video needs: %w", err)
		f.ExitCode, f.Tail = exit.Code, exit.Tail
		return f
	case strings.Contains(exit.Tail, "not on whitelist"):
		return failure("inspect upload", err, ReasonContainerNotAllowed)
	case strings.Contains(exit.Tail, "max_streams"):
		// Else the words with which ffmpeg goes on would blame our memory.
		f := reject(ReasonContainerNotAllowed, "inspect upload: more tracks than anyone needs: %w", err)
		f.ExitCode, f.Tail = exit.Code, exit.Tail
		return f
	}
	return failure("inspect upload", err, ReasonNotAVideo)
}

// checkContainer tells MP4 from QuickTime, which share a demuxer.
func (i *Inspector) checkContainer(info ffmpeg.Info) error {
	format := "webm"
	if slices.Contains(strings.Split(info.Format, ","), "mov") {
		format = "mp4"
		if brand := strings.TrimSpace(info.Tags["major_brand"]); brand == "" || brand == "qt" {
			format = "mov"
		}
	}
	if !slices.Contains(i.limits.Formats, format) {
		return reject(ReasonContainerNotAllowed, "content is %s (%s)", format, info.Format)
	}
	return nil
}

// choose picks the stream that a viewer takes for the video: no cover art,
// moving rather than still, then the default one, then the largest.
func choose(streams []ffmpeg.Stream) (ffmpeg.Stream, error) {
	var videos []ffmpeg.Stream
	for _, s := range streams {
		if s.Kind == "video" && !s.AttachedPic {
			videos = append(videos, s)
		}
	}
	if len(videos) == 0 {
		return ffmpeg.Stream{}, reject(ReasonNoVideoStream, "%d streams, none of them a video", len(streams))
	}
	const moving = 10 // pictures a second
	better := func(a, b ffmpeg.Stream) int {
		return cmp.Or(
			compareBool(a.AverageRate.Float() >= moving, b.AverageRate.Float() >= moving),
			compareBool(a.Default, b.Default),
			cmp.Compare(int64(a.Width)*int64(a.Height), int64(b.Width)*int64(b.Height)),
			cmp.Compare(b.Index, a.Index),
		)
	}
	return slices.MaxFunc(videos, better), nil
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

func describe(info ffmpeg.Info, v ffmpeg.Stream) Source {
	s := Source{
		Demuxer: "matroska", Stream: v.Index, Codec: v.Codec, Width: v.Width, Height: v.Height, Rotation: v.Rotation,
		Offset: max(0, v.Start-info.Start), Duration: v.Duration, FPS: v.AverageRate.Float(), Frames: v.Frames,
		Interlaced: slices.Contains([]string{"tt", "bb", "tb", "bt"}, v.FieldOrder),
		Untagged:   !named(v.ColorSpace),
	}
	if strings.HasPrefix(info.Format, "mov") {
		s.Demuxer = "mov"
	}
	if v.Rotation == 90 || v.Rotation == 270 {
		s.Width, s.Height = s.Height, s.Width
	}
	if v.ColorTransfer == "smpte2084" || v.ColorTransfer == "arib-std-b67" {
		s.Transfer = v.ColorTransfer
	}
	return s
}

// named reports whether a file says in words known to ffmpeg which matrix made
// its colours. Some write a number that is reserved, or one that nobody knows.
func named(matrix string) bool {
	switch matrix {
	case "bt709", "smpte170m", "bt470bg", "smpte240m", "fcc", "bt2020nc", "bt2020c", "gbr", "ycgco":
		return true
	}
	return false
}

// supported are the codecs that cameras, phones and editors put into these
// containers. Decoders for others exist, rarely used and rarely examined.
func supported(codec string) bool {
	switch codec {
	case "h264", "hevc", "av1", "vp8", "vp9", "mpeg4", "prores", "mjpeg":
		return true
	}
	return false
}

func (i *Inspector) checkPicture(v ffmpeg.Stream, s Source) error {
	if !supported(v.Codec) {
		return reject(ReasonCodecNotSupported, "codec %q", v.Codec)
	}
	size := fmt.Sprintf("%dx%d", s.Width, s.Height)
	switch {
	case s.Width < 1 || s.Height < 1:
		return reject(ReasonNotAVideo, "pictures of %s", size)
	case int64(s.Width)*int64(s.Height) > int64(i.limits.MaxPixels):
		return reject(ReasonResolutionTooLarge, "%s is more than %d pixels", size, i.limits.MaxPixels)
	case min(s.Width, s.Height) < i.limits.MinShortSide:
		return reject(ReasonResolutionTooLow, "%s has a side below %d", size, i.limits.MinShortSide)
	}
	return nil
}

func (i *Inspector) checkDuration(s Source) error {
	switch {
	case s.Duration <= 0:
		return reject(ReasonDurationUnknown, "no picture has a time")
	case s.Duration < i.limits.MinDuration-i.limits.Tolerance:
		return reject(ReasonDurationTooShort, "%s of at least %s", s.Duration, i.limits.MinDuration)
	case s.Duration > i.limits.MaxDuration+i.limits.Tolerance:
		return reject(ReasonDurationTooLong, "%s of at most %s", s.Duration, i.limits.MaxDuration)
	}
	return nil
}
