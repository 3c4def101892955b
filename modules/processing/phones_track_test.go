package processing

import (
	"bytes"
	"fmt"
	"path/filepath"
	"testing"

	"anb/platform/ffmpeg/ffmpegtest"
)

// trackPhones are about which tracks there are, and when they begin.
func trackPhones() []phone {
	return []phone{
		{group: "Tracks", input: "no sound", reports: []string{"PeerTube#4691"}, shot: shot{silent: true}},
		{group: "Tracks", input: "sound only", reports: []string{"PeerTube#1478", "mastodon#6147"}, refused: ReasonNoVideoStream, make: produced("-f", "lavfi", "-i", "sine=d=2")},
		{group: "Tracks", input: "sound and a cover, no video", reports: []string{"PeerTube#4002"}, refused: ReasonNoVideoStream, make: coverOnly("mp4")},
		{group: "Tracks", input: "a cover before the video", reports: []string{"Unmanic PR#98", "UltraStar-Deluxe/USDX#948", "immich#22739"}, shot: shot{then: steps{withCover}}},
		{group: "Tracks", input: "two videos, the second is the default one", shot: shot{then: steps{secondDefault}}},
		{group: "Tracks", input: "a large still at one picture a second before the video", shot: shot{then: steps{afterStill}}},
		{group: "Tracks", input: "a track of time codes", shot: shot{name: "clip.mov", output: []string{"-timecode", "01:00:00:00"}}},
		{group: "Tracks", input: "tracks of a phone's sensors (mebx)", reports: []string{"immich#31475"},
			shot: shot{name: "clip.mov", output: []string{"-timecode", "01:00:00:00"}, then: steps{patched(func(_ *testing.T, d []byte) []byte {
				return bytes.ReplaceAll(d, []byte("tmcd"), []byte("mebx"))
			})}}},
		{group: "Tracks", input: "subtitles", shot: shot{then: steps{withSubtitles}}},
		{group: "Tracks", input: "41 tracks", shot: shot{then: steps{withSounds(40)}}},
		{group: "Tracks", input: "70 tracks", refused: ReasonContainerNotAllowed, make: shot{then: steps{withSounds(69)}}.make},
		{group: "Tracks", input: "sound that begins 21 ms earlier", shot: shot{filter: "setpts=PTS+0.021/TB", output: []string{"-video_track_timescale", "90000"}}},
		{group: "Tracks", input: "pictures that begin a second late", shot: shot{filter: "setpts=PTS+1/TB"}},
		{group: "Tracks", input: "pictures that begin a second late, in fragments", shot: shot{filter: "setpts=PTS+1/TB", output: []string{"-movflags", "+frag_keyframe+delay_moov"}}},
		{group: "Tracks", input: "cut on the phone by an edit list, not at a key picture",
			shot: shot{card: testCard{frames: 90}, then: steps{editedFrom("0.5")}}, from: 0.5},
		{group: "Tracks", input: "trimmed by an edit list to less than the least",
			refused: ReasonDurationTooShort, make: shot{then: steps{shownFor(0.5)}}.make},
	}
}

// beside makes a second file in the folder of the first.
func beside(path, name string) string { return filepath.Join(filepath.Dir(path), name) }

func coverOnly(format string) maker {
	return func(t *testing.T, dir string) string {
		t.Helper()
		png, path := filepath.Join(dir, "cover.png"), filepath.Join(dir, "clip.mp4")
		ffmpegtest.FFmpeg(t, "-f", "lavfi", "-i", "color=red:s=320x320", "-frames:v", "1", png)
		ffmpegtest.FFmpeg(t, "-f", "lavfi", "-i", "sine=d=2", "-i", png, "-map", "0", "-map", "1",
			"-disposition:v", "attached_pic", "-c:v", "copy", "-f", format, path)
		return path
	}
}

func withCover(t *testing.T, path string) string {
	t.Helper()
	png, out := beside(path, "cover.png"), beside(path, "covered.mp4")
	ffmpegtest.FFmpeg(t, "-f", "lavfi", "-i", "color=red:s=640x640", "-frames:v", "1", png)
	ffmpegtest.FFmpeg(t, "-i", png, "-i", path, "-map", "0", "-map", "1", "-c", "copy", "-disposition:v:0", "attached_pic", out)
	return out
}

func secondDefault(t *testing.T, path string) string {
	t.Helper()
	other, out := beside(path, "other.mp4"), beside(path, "both.mp4")
	ffmpegtest.FFmpeg(t, "-f", "lavfi", "-i", "testsrc2=s=400x300:r=30:d=2", "-c:v", "libx264", "-preset", "ultrafast", other)
	ffmpegtest.FFmpeg(t, "-i", other, "-i", path, "-map", "0", "-map", "1", "-c", "copy", "-disposition:v:0", "0", "-disposition:v:1", "default", out)
	return out
}

func afterStill(t *testing.T, path string) string {
	t.Helper()
	other, out := beside(path, "still.mp4"), beside(path, "both.mp4")
	ffmpegtest.FFmpeg(t, "-f", "lavfi", "-i", "testsrc2=s=640x480:r=1:d=2", "-c:v", "libx264", "-preset", "ultrafast", other)
	ffmpegtest.FFmpeg(t, "-i", other, "-i", path, "-map", "0", "-map", "1", "-c", "copy", "-disposition:v:0", "default", "-disposition:v:1", "0", out)
	return out
}

func withSubtitles(t *testing.T, path string) string {
	t.Helper()
	text, out := ffmpegtest.Write(t, "words.srt", []byte("1\n00:00:00,000 --> 00:00:02,000\nana@example.com\n")), beside(path, "worded.mp4")
	ffmpegtest.FFmpeg(t, "-i", text, "-i", path, "-map", "0", "-map", "1", "-c", "copy", "-c:s", "mov_text", out)
	return out
}

func withSounds(n int) func(*testing.T, string) string {
	return func(t *testing.T, path string) string {
		t.Helper()
		out := beside(path, fmt.Sprintf("with-%d.mp4", n))
		args := []string{"-i", path, "-map", "0:v"}
		for range n {
			args = append(args, "-map", "0:a")
		}
		ffmpegtest.FFmpeg(t, append(args, "-c", "copy", out)...)
		return out
	}
}
