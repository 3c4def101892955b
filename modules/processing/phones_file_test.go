package processing

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"anb/platform/ffmpeg/ffmpegtest"
)

type steps = []func(*testing.T, string) string

// filePhones are about the container.
func filePhones() []phone {
	webm := func(l *Limits) { l.Formats = []string{"webm"} }
	vp8 := []string{"-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "1M"}
	return []phone{
		{group: "File", input: "index behind, as cameras write it", reports: []string{"livepeer/go-livepeer#1496", "YunoHost immich_ynh#412"}, shot: shot{behind: true}},
		{group: "File", input: "in fragments", shot: shot{output: []string{"-movflags", "+frag_keyframe+delay_moov"}}},
		{group: "File", input: "in fragments of a picture each, with an index of them", shot: shot{silent: true, output: []string{"-movflags", "+frag_every_frame+empty_moov+default_base_moof+global_sidx"}}},
		{group: "File", input: "QuickTime (.mov), as iPhones make it", shot: shot{name: "clip.mov"}},
		{group: "File", input: "3GP by brand", shot: shot{output: []string{"-brand", "3gp6"}}},
		{group: "File", input: "with the place, an e-mail address and the phone's name inside",
			reports: []string{"superseriousbusiness/gotosocial#2577", "element-hq/element-x-android#6186"},
			shot:    shot{name: "clip.mov", output: []string{"-metadata", "comment=ana@example.com", "-metadata:s:v", "handler_name=Pixel 99", "-metadata", "location=+04.6097-074.0817/"}, then: steps{telling}}},
		{group: "File", input: "with Apple's own metadata (mdta keys)",
			shot: shot{name: "clip.mov", output: []string{"-movflags", "+use_metadata_tags+faststart", "-metadata", "com.apple.quicktime.location.ISO6709=+04.6097-074.0817+2640/", "-metadata", "com.apple.quicktime.model=Pixel 99"}}},
		{group: "File", input: "with a trailer behind the last box (Samsung)",
			shot: shot{then: steps{patched(func(_ *testing.T, d []byte) []byte {
				return append(d, "SEFH\x6b\x00\x00\x00\x01\x00\x00\x00Pixel 99SEFT"...)
			})}}},
		{group: "File", input: "with zeros behind the last box", shot: shot{then: steps{patched(func(_ *testing.T, d []byte) []byte { return append(d, make([]byte, 4096)...) })}}},
		{group: "File", input: "a box of free space, with words in it", shot: shot{then: steps{patched(func(_ *testing.T, d []byte) []byte {
			return append(d, "\x00\x00\x00\x10freePixel 99"...)
		})}}},
		{group: "File", input: "chapters", shot: shot{input: []string{"-f", "ffmetadata", "-i", "data:,;FFMETADATA1%0A[CHAPTER]%0ATIMEBASE=1/1%0ASTART=0%0AEND=1%0Atitle=Pixel 99"}, output: []string{"-map_chapters", "2"}}},
		{group: "File", input: "recorded by a browser, without a duration", reports: []string{"PeerTube#4092", "PeerTube#4002"}, limits: webm,
			shot: shot{name: "clip.webm", silent: true, codec: vp8, output: []string{"-live", "1"}}, note: "only where webm is switched on"},
		{group: "File", input: "WebM named like a video of a phone", refused: ReasonContainerNotAllowed, make: shot{silent: true, codec: vp8, output: []string{"-f", "webm"}}.make},
		{group: "File", input: "AVI named like a video of a phone", refused: ReasonContainerNotAllowed, make: shot{silent: true, output: []string{"-f", "avi"}}.make},
		{group: "File", input: "MPEG-TS named like a video of a phone", refused: ReasonContainerNotAllowed, make: shot{silent: true, output: []string{"-f", "mpegts"}}.make},
		{group: "File", input: "QuickTime where only MP4 is accepted", refused: ReasonContainerNotAllowed, make: shot{name: "clip.mov"}.make, limits: func(l *Limits) { l.Formats = []string{"mp4"} }},
		{group: "File", input: "MP4 where only QuickTime is accepted", refused: ReasonContainerNotAllowed, make: shot{}.make, limits: func(l *Limits) { l.Formats = []string{"mov"} }},
		{group: "File", input: "size changes in the middle, shape does not", make: changing(testCard{width: 160, height: 90, frames: 30}), numbers: twice(30)},
		{group: "File", input: "the phone is turned in the middle", make: changing(testCard{width: 180, height: 320, frames: 30}), numbers: twice(30),
			before: 16.0 / 9, aspect: 9.0 / 16, note: "first lying, then upright with bars"},
	}
}

func twice(n int) []int { return append(upTo(0, n-1), upTo(0, n-1)...) }

// changing is a second of the usual card and one of another, in one track.
func changing(second testCard) maker {
	return func(t *testing.T, dir string) string {
		t.Helper()
		var both bytes.Buffer
		for _, c := range []testCard{{frames: 30}, second} {
			part := shot{card: c, silent: true, name: "part.h264"}.make(t, dir)
			both.Write(readFile(t, part))
		}
		raw, path := ffmpegtest.Write(t, "both.h264", both.Bytes()), filepath.Join(dir, "clip.mp4")
		ffmpegtest.FFmpeg(t, "-framerate", "30", "-i", raw, "-c", "copy", path)
		return path
	}
}

// telling makes sure that an upload really tells what ours must not.
func telling(t *testing.T, path string) string {
	t.Helper()
	for _, secret := range secrets {
		require.Contains(t, string(readFile(t, path)), secret)
	}
	return path
}
