package processing

import (
	"regexp"
	"strconv"
	"strings"
)

// What an upload may suffer and still be published. Measured on 30 s of
// pictures with a key picture every second: a flipped bit makes the decoder
// complain twice, or not at all, and spoils some ten pictures of 900. So three
// complaints are a glitch in 1 or 2 % of the pictures, and more of them mean
// that 3 % and more are spoiled, as docs/VIDEO.md shows.
const (
	// undecodable is the part of packets that may be lost; ffmpeg itself gives
	// up beyond, with exit code 69.
	undecodable = "0.02"
	// glitch is how often the decoder may complain, however short the clip.
	glitch = 3
	// glitches is the same, as a part of the pictures.
	glitches = 0.004
)

// damaged is the policy: what becomes of an upload of which got pictures came
// out of the wanted ones, with so many complaints of the decoder. Empty: it is
// published. (Further rows are in bodyFailure, for when ffmpeg gave up.)
//
//	too few pictures                            truncated
//	more complaints than a glitch               corrupt_stream
//	otherwise                                   published, complaints are logged
func (p plan) damaged(got int64, complaints int, s Source, fps int) Reason {
	switch {
	case !p.enough(got, s, fps):
		return ReasonTruncated
	case float64(complaints) > max(glitch, glitches*float64(p.frames)):
		return ReasonCorruptStream
	}
	return ""
}

// bodyFailure knows the ways in which ffmpeg says that the upload itself is
// bad when it gives up:
//
//	the file ends inside a sample               truncated
//	more packets than undecodable are lost      corrupt_stream
//	nothing can be decoded at all, or pictures
//	are larger than the header said             corrupt_stream
func bodyFailure(err error) error {
	const tooManyErrors = 69
	fallback := ReasonEncoderFailed
	if exit, ok := exitOf(err); ok {
		nothing := strings.Contains(exit.Tail, "Error marking filters as finished") // not even a picture's size
		invalid := nothing || exit.Code == tooManyErrors || strings.Contains(exit.Tail, "Invalid data found when processing input")
		switch {
		case invalid && strings.Contains(exit.Tail, "partial file"):
			fallback = ReasonTruncated
		case invalid:
			fallback = ReasonCorruptStream
		}
	}
	return failure("encode body", err, fallback)
}

// complaints counts the lines of ffmpeg's log in which a decoder tells of
// damage. Those of the container, those of ffmpeg about a packet that the
// decoder has complained of, and those that only tell of a picture which lies
// before the place where reading began, are left out.
type complaints struct {
	count   int
	counted bool // the line before
}

var (
	fromDecoder = regexp.MustCompile(`^\[(h264|hevc|av1|libdav1d|libaom-av1|vp8|vp9|mpeg4|prores|mjpeg) @ `)
	fromBefore  = regexp.MustCompile(`co located POCs|mmco:|[Mm]issing reference picture|picture missing during reorder|Could not find ref with POC`)
	repeatedly  = regexp.MustCompile(`^\s*Last message repeated (\d{1,6}) times`)
)

func (c *complaints) line(s string) {
	if m := repeatedly.FindStringSubmatch(s); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil && c.counted {
			c.count += n
		}
		return
	}
	c.counted = fromDecoder.MatchString(s) && !fromBefore.MatchString(s)
	if c.counted {
		c.count++
	}
}
