package processing

import (
	"fmt"
	"strconv"
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

// encoding are the output options that body and cards share, to the letter:
// only then can they be joined without encoding again. A key frame every four
// seconds rather than two makes a tenth fewer bytes.
func (c EncoderConfig) encoding() []string {
	level := "4.0"
	if blocks := ((c.Width + 15) / 16) * ((c.Height + 15) / 16); blocks > 8192 || blocks*c.FPS > 245760 {
		level = "5.0"
	}
	codec := c.codec()
	args := []string{"-an", "-sn", "-dn", "-map_metadata", "-1", "-map_chapters", "-1", "-c:v", codec.name}
	args = append(args, codec.quality...)
	return append(args, "-maxrate", maxBitRate, "-bufsize", rateBuffer, "-profile:v", "high", "-level:v", level, "-g", strconv.Itoa(4*c.FPS),
		"-video_track_timescale", c.timescale(), "-movie_timescale", c.timescale(), "-fs", maxOutput, "-f", "mp4")
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
// middle of a 16:9 picture, with the watermark; and its poster unless that is
// empty.
func (c EncoderConfig) bodyArgs(j Job, p plan, watermark, out, poster string) []string {
	last, further := c.finish(), []string(nil)
	if poster != "" {
		last, further = bt709+","+c.posterFilter(p.frames)+"null"+c.codec().upload, posterArgs(poster)
	}
	args := append(c.bodyInputs(j, p, watermark), "-filter_complex_threads", "1", "-filter_complex", c.bodyFilter(j.Source, p.frames, last),
		"-map", "[v]", "-frames:v", strconv.FormatInt(c.frames(c.ClipLength), 10))
	args = append(args, c.encoding()...)
	return append(append(args, "-y", out), further...)
}

// bodyInputs are the inputs 0 and 1, the upload and the watermark.
func (c EncoderConfig) bodyInputs(j Job, p plan, watermark string) []string {
	args := append([]string{}, c.codec().device...)
	args = append(args, "-threads", strconv.Itoa(c.Threads))
	args = append(args, ffmpeg.Guards([]string{j.Source.Demuxer})...)
	args = append(args, "-max_pixels", strconv.Itoa(c.MaxPixels), "-max_error_rate", undecodable,
		"-reinit_filter", "0") // a new size must not begin the graph, and its times, anew
	if p.begin > 0 {
		args = append(args, "-ss", secondsOf(p.begin))
	}
	return append(args, "-t", secondsOf(p.read), "-i", "file:"+j.Path, "-protocol_whitelist", "file", "-f", "png_pipe", "-i", "file:"+watermark)
}

// joinArgs copy the parts that list names into one file.
func (c EncoderConfig) joinArgs(list, out string) []string {
	return []string{"-f", "concat", "-safe", "0", "-protocol_whitelist", "file", "-i", list, "-map", "0:v", "-c", "copy",
		"-map_metadata", "-1", "-map_chapters", "-1", "-video_track_timescale", c.timescale(), "-movie_timescale", c.timescale(),
		"-movflags", "+faststart", "-f", "mp4", "-y", out}
}

// singleArgs make the whole video in one pass, of the upload and not of a body
// that is encoded already: for when the cards cannot be joined by copying. The
// body has so many frames.
func (c EncoderConfig) singleArgs(j Job, p plan, art artwork, frames int64, out string) []string {
	args := c.bodyInputs(j, p, art.watermark)
	for _, card := range []string{art.opening, art.closing} {
		args = append(args, "-threads", strconv.Itoa(c.Threads), "-protocol_whitelist", "file", "-f", "mov", "-i", "file:"+card)
	}
	graph := fmt.Sprintf("%s;[v]trim=end_frame=%d[body];[2:v][body][3:v]concat=n=3:v=1:a=0,fps=%d,%s[all]",
		c.bodyFilter(j.Source, p.frames, bt709), frames, c.FPS, c.finish())
	args = append(args, "-filter_complex_threads", "1", "-filter_complex", graph, "-map", "[all]")
	args = append(args, c.encoding()...)
	return append(args, "-movflags", "+faststart", "-y", out)
}

// secondsOf writes d as ffmpeg reads times.
func secondsOf(d time.Duration) string {
	return strconv.FormatFloat(d.Seconds(), 'f', 6, 64)
}
