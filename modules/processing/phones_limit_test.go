package processing

import (
	"bytes"
	"encoding/binary"
	"testing"

	"anb/platform/ffmpeg/ffmpegtest"
)

// limitPhones are at the edges of what is accepted. The contract's 20 s, 60 s
// and half a second are 1 s, 5 s and a tenth here.
func limitPhones() []phone {
	long := func(frames int) shot { return shot{card: testCard{width: 160, height: 90, frames: frames}} }
	sized := func(w, h int) shot { return shot{card: testCard{width: w, height: h}} }
	return []phone{
		{group: "Limits", input: "nothing (0 bytes)", refused: ReasonEmptyFile, make: written("")},
		{group: "Limits", input: "more bytes than allowed", refused: ReasonFileTooLarge, make: shot{}.make, limits: func(l *Limits) { l.MaxBytes = 1000 }},
		{group: "Limits", input: "0.87 s of at least 1 s", refused: ReasonDurationTooShort, make: shot{card: testCard{frames: 26}}.make},
		{group: "Limits", input: "0.9 s, within the tolerance (as 19.5 s of 20)", shot: shot{card: testCard{frames: 27}}, count: 27},
		{group: "Limits", input: "5.1 s, within the tolerance (as 60.04 s of 60)", shot: long(153)},
		{group: "Limits", input: "5.2 s of at most 5 s", refused: ReasonDurationTooLong, make: long(156).make},
		{group: "Limits", input: "one picture", refused: ReasonDurationTooShort, make: shot{card: testCard{frames: 1}, silent: true}.make},
		{group: "Limits", input: "short pictures, long sound", refused: ReasonDurationTooShort, make: shot{card: testCard{frames: 20}, silent: true, input: []string{"-f", "lavfi", "-i", "sine=d=3"}}.make},
		{group: "Limits", input: "sound longer than allowed, pictures not", shot: shot{silent: true, input: []string{"-f", "lavfi", "-i", "sine=d=6"}}},
		{group: "Limits", input: "12 hours of black, a picture every ten minutes", refused: ReasonDurationTooLong,
			make: produced("-f", "lavfi", "-i", "color=black:s=320x180:r=1/600:d=43200", "-c:v", "libx264", "-preset", "ultrafast")},
		{group: "Limits", input: "16x16", refused: ReasonResolutionTooLow, make: sized(16, 16).make},
		{group: "Limits", input: "one line too low", refused: ReasonResolutionTooLow, make: shot{}.make, limits: func(l *Limits) { l.MinShortSide = 181 }},
		{group: "Limits", input: "one line too low when turned", refused: ReasonResolutionTooLow, make: shot{turn: 90}.make, limits: func(l *Limits) { l.MinShortSide = 181 }},
		{group: "Limits", input: "one pixel too many", refused: ReasonResolutionTooLarge, make: shot{}.make, limits: func(l *Limits) { l.MaxPixels = 320*180 - 1 }},
		{group: "Limits", input: "says it has 16000x8000 pixels, in a few bytes", refused: ReasonResolutionTooLarge, make: jpegOf(16000, 8000).make},
		{group: "Limits", input: "pictures of 16000x8000 whose header says 320x180", refused: ReasonCorruptStream, later: true, make: hidden(16000, 8000)},
		{group: "Limits", input: "header says 2.5 s, there is half a second", refused: ReasonDurationTooShort, make: shot{card: testCard{frames: 15}, then: steps{lasting(2.5)}}.make},
		{group: "Limits", input: "header says 2 s, there are 6.7", shot: shot{card: testCard{width: 160, height: 90, frames: 200}, silent: true, then: steps{lasting(2)}}, note: "no more is used than 2 s"},
		{group: "Limits", input: "header says 1920x1080, the pictures are 320x180", refused: ReasonResolutionTooLow, limits: func(l *Limits) { l.MinShortSide = 1080 }, make: shot{then: steps{saying(1920, 1080)}}.make},
		{group: "Limits", input: "header says 1920x1080, the pictures are 320x180 (small limit)", shot: shot{then: steps{saying(1920, 1080)}}},
	}
}

// hidden patches the size into every picture of a motion JPEG.
func hidden(width, height uint16) maker {
	return shot{codec: motionJPEG, then: steps{patched(func(_ *testing.T, d []byte) []byte { return resized(d, width, height) })}}.make
}

// jpegOf patches it into the header too.
func jpegOf(width, height uint16) shot {
	return shot{codec: motionJPEG, then: steps{patched(func(t *testing.T, d []byte) []byte {
		t.Helper()
		return described(t, resized(d, width, height), "mp4v", width, height)
	})}}
}

var motionJPEG = []string{"-c:v", "mjpeg", "-pix_fmt", "yuvj420p"}

func resized(data []byte, width, height uint16) []byte {
	start := []byte("\xff\xc0\x00\x11\x08")
	size := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, height), width)
	return bytes.ReplaceAll(data, append(start, 0, 180, 1, 64), append(start, size...))
}

// lasting writes a duration into the three headers that tell one. It keeps to
// the units of the file.
func lasting(seconds float64) func(*testing.T, string) string {
	return patched(func(t *testing.T, d []byte) []byte {
		t.Helper()
		movie, media := ffmpegtest.Box(t, d, "moov/mvhd"), ffmpegtest.Box(t, d, "moov/trak/mdia/mdhd")
		put := func(box []byte, at int, scale uint32) {
			binary.BigEndian.PutUint32(box[at:], uint32(seconds*float64(scale)))
		}
		movieScale := binary.BigEndian.Uint32(movie[20:])
		put(movie, 24, movieScale)
		put(ffmpegtest.Box(t, d, "moov/trak/tkhd"), 28, movieScale)
		put(media, 24, binary.BigEndian.Uint32(media[20:]))
		return d
	})
}

// saying writes a size into the description of the pictures.
func saying(width, height uint16) func(*testing.T, string) string {
	return patched(func(t *testing.T, d []byte) []byte {
		t.Helper()
		return described(t, d, "avc1", width, height)
	})
}

func described(t *testing.T, data []byte, entry string, width, height uint16) []byte {
	t.Helper()
	box := ffmpegtest.Box(t, data, "moov/trak/mdia/minf/stbl/stsd/"+entry)
	binary.BigEndian.PutUint16(box[32:], width)
	binary.BigEndian.PutUint16(box[34:], height)
	return data
}

// shownFor shortens what the edit list shows.
func shownFor(seconds float64) func(*testing.T, string) string {
	return patched(func(t *testing.T, d []byte) []byte {
		t.Helper()
		scale := binary.BigEndian.Uint32(ffmpegtest.Box(t, d, "moov/mvhd")[20:])
		binary.BigEndian.PutUint32(ffmpegtest.Box(t, d, "moov/trak/edts/elst")[16:], uint32(seconds*float64(scale)))
		return d
	})
}

// withDolbyVision inserts the configuration of profile 8.4: level 4, a
// reference picture unit, a base layer compatible with HLG.
func withDolbyVision(t *testing.T, data []byte) []byte {
	t.Helper()
	box := append([]byte("\x00\x00\x00\x20dvvC\x01\x00\x10\x25\x40"), make([]byte, 19)...)
	return ffmpegtest.InsertBox(t, data, "moov/trak/mdia/minf/stbl/stsd/hvc1", box)
}
