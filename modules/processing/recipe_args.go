package processing

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"anb/platform/ffmpeg"
)

// Bounds of any output. The bit rate is far above what the default quality
// needs and below what H.264 level 4.0 allows; noise that nobody filmed hits
// it.
const (
	maxOutput  = "60M"
	maxBitRate = "10M"
	rateBuffer = "20M"
)

// bt709 is what every frame is tagged with; the encoder copies it, and not the
// output options, into the stream.
const bt709 = "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv"

// encoding are the output options that body and cards share, to the letter:
// only then can they be joined without encoding again. stitchable keeps
// content and quality out of the parameter sets, chromaloc=0 the source's
// chroma position.
func (c EncoderConfig) encoding() []string {
	level := "4.0"
	if blocks := ((c.Width + 15) / 16) * ((c.Height + 15) / 16); blocks > 8192 || blocks*c.FPS > 245760 {
		level = "5.0"
	}
	return []string{
		"-an", "-sn", "-dn", "-map_metadata", "-1", "-map_chapters", "-1",
		"-c:v", "libx264", "-threads", strconv.Itoa(c.Threads), "-preset", c.Preset, "-crf", strconv.Itoa(c.CRF),
		"-maxrate", maxBitRate, "-bufsize", rateBuffer,
		"-profile:v", "high", "-level:v", level, "-pix_fmt", "yuv420p", "-g", strconv.Itoa(2 * c.FPS),
		"-x264-params", "stitchable=1:chromaloc=0", "-video_track_timescale", c.timescale(), "-movie_timescale", c.timescale(),
		"-fs", maxOutput, "-f", "mp4",
	}
}

// timescale divides a second so that every frame has a whole length. It is set
// for the whole file too: a part whose length is rounded to milliseconds would
// shift the next.
func (c EncoderConfig) timescale() string { return strconv.Itoa(c.FPS * 1000) }

// plan is which part of a source is used.
type plan struct {
	begin  time.Duration // seek to here, since the start of the file
	read   time.Duration // read this much at most
	frames int64         // expected in the body
}

// plan moves start back when too little would be left after it.
func (c EncoderConfig) plan(s Source, start time.Duration) plan {
	latest := s.Offset + s.Duration - c.ClipLength
	begin := min(max(start, 0), max(latest, 0))
	skipped := max(0, begin-s.Offset)
	return plan{
		begin: begin,
		// The exact end is -frames:v; a second more feeds the last frame.
		read:   c.ClipLength + max(0, s.Offset-begin) + time.Second,
		frames: c.frames(min(s.Duration-skipped, c.ClipLength)),
	}
}

// enough reports whether got frames are what plan p promised. Where the source
// has few pictures a second, the last of them may end one early.
func (p plan) enough(got int64, s Source, fps int) bool {
	missing := float64(p.frames) * 0.03
	if s.FPS > 0 {
		missing += float64(fps) / s.FPS
	}
	return got > 0 && float64(p.frames-got) <= missing
}

// bodyArgs are the arguments that make the body: the clip, upright, in the
// middle of a 16:9 picture, with the watermark.
func (c EncoderConfig) bodyArgs(j Job, p plan, watermark, out string) []string {
	args := []string{"-threads", strconv.Itoa(c.Threads)}
	args = append(args, ffmpeg.Guards([]string{j.Source.Demuxer})...)
	args = append(args, "-max_pixels", strconv.Itoa(c.MaxPixels), "-max_error_rate", "0.02")
	if p.begin > 0 {
		args = append(args, "-ss", secondsOf(p.begin))
	}
	args = append(args, "-t", secondsOf(p.read), "-i", "file:"+j.Path,
		"-protocol_whitelist", "file", "-f", "png_pipe", "-i", "file:"+watermark,
		"-filter_complex_threads", "1", "-filter_complex", c.bodyFilter(j.Source),
		"-map", "[v]", "-frames:v", strconv.FormatInt(c.frames(c.ClipLength), 10))
	args = append(args, c.encoding()...)
	return append(args, "-y", out)
}

// bodyFilter never holds a word of the user's: all of it is ours or a number.
func (c EncoderConfig) bodyFilter(s Source) string {
	ratio := fmt.Sprintf("%d/%d", c.Width, c.Height)
	// dar knows the shape of pixels and the rotation: one step undoes both.
	scale := fmt.Sprintf("scale=w='if(gt(dar,%[3]s),%[1]d,max(2,min(%[1]d,2*round(%[2]d*dar/2))))'"+
		":h='if(gt(dar,%[3]s),max(2,min(%[2]d,2*round(%[1]d/dar/2))),%[2]d)':flags=bicubic", c.Width, c.Height, ratio)
	var steps []string
	if s.Interlaced {
		steps = append(steps, "yadif=deint=interlaced")
	}
	// Without the first, a late video track would begin with a frozen picture.
	steps = append(steps, "setpts=PTS-STARTPTS", fmt.Sprintf("fps=%d", c.FPS))
	if s.HDR() {
		// Mapping tones costs four times as much before scaling.
		steps = append(steps, scale,
			"zscale=tin="+s.Transfer+":pin=bt2020:min=2020_ncl:t=linear:npl=100", "format=gbrpf32le", "zscale=p=bt709",
			"tonemap=hable:desat=0", "zscale=t=bt709:m=bt709:r=tv")
	} else {
		// Converting from a guessed matrix doubles the cost and is wrong.
		if s.Untagged && min(s.Width, s.Height) >= 720 {
			scale += ":in_color_matrix=bt709"
		}
		steps = append(steps, scale+":out_color_matrix=bt709:out_range=tv")
	}
	steps = append(steps, "format=yuv420p", fmt.Sprintf("pad=%d:%d:-1:-1", c.Width, c.Height), "setsar=1")
	margin := c.Height / 30
	return fmt.Sprintf("[0:%d]%s[b];[b][1:v]overlay=W-w-%d:%d,format=yuv420p,%s[v]",
		s.Stream, strings.Join(steps, ","), margin, margin, bt709)
}

// cardArgs make a card of a still picture, with a fade at either end.
func (c EncoderConfig) cardArgs(picture, out string) []string {
	frames := c.frames(c.CardLength)
	fade := max(1, frames/6)
	filter := fmt.Sprintf("scale=out_color_matrix=bt709:out_range=tv,format=yuv420p,fade=in:0:%d,fade=out:%d:%d,setsar=1,%s",
		fade, frames-fade, fade, bt709)
	args := []string{"-protocol_whitelist", "file", "-f", "image2", "-loop", "1", "-framerate", strconv.Itoa(c.FPS), "-i", picture,
		"-vf", filter, "-frames:v", strconv.FormatInt(frames, 10)}
	args = append(args, c.encoding()...)
	return append(args, "-y", out)
}

// joinArgs copy the parts that list names into one file.
func (c EncoderConfig) joinArgs(list, out string) []string {
	return []string{"-f", "concat", "-safe", "0", "-protocol_whitelist", "file", "-i", list, "-map", "0:v", "-c", "copy",
		"-map_metadata", "-1", "-map_chapters", "-1", "-video_track_timescale", c.timescale(), "-movie_timescale", c.timescale(),
		"-movflags", "+faststart", "-f", "mp4", "-y", out}
}

// rejoinArgs encode the parts once more into one file, for when they cannot be
// copied.
func (c EncoderConfig) rejoinArgs(parts []string, out string) []string {
	var args []string
	var inputs strings.Builder
	for i, part := range parts {
		args = append(args, "-threads", strconv.Itoa(c.Threads), "-protocol_whitelist", "file", "-f", "mov", "-i", "file:"+part)
		fmt.Fprintf(&inputs, "[%d:v]", i)
	}
	args = append(args, "-filter_complex_threads", "1", "-filter_complex",
		fmt.Sprintf("%sconcat=n=%d:v=1:a=0,fps=%d,%s[v]", inputs.String(), len(parts), c.FPS, bt709), "-map", "[v]")
	args = append(args, c.encoding()...)
	return append(args, "-movflags", "+faststart", "-y", out)
}

// secondsOf writes d as ffmpeg reads times.
func secondsOf(d time.Duration) string {
	return strconv.FormatFloat(d.Seconds(), 'f', 6, 64)
}
