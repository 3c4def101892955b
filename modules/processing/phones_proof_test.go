package processing

import (
	"bytes"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"anb/platform/ffmpeg/ffmpegtest"
)

// TestPhoneChecks_RejectWhatIsWrong shows that each check rejects what it
// should and nothing else, with videos that are wrong on purpose.
func TestPhoneChecks_RejectWhatIsWrong(t *testing.T) {
	t.Parallel()
	good := encoded(t, shot{}.make(t, t.TempDir()), 0).Video.Path
	want := wanted{aspect: 16.0 / 9, numbers: upTo(0, 59), secrets: secrets}.filled(t)
	require.Empty(t, complaintsOf(examine(t, good), want), "the right one")
	tests := map[string]struct {
		make  func(t *testing.T) string
		wrong []string
	}{
		"turned by a quarter":     {filming(shot{filter: "transpose=clock,scale=320:180,setsar=1"}), []string{"colour", "mark", "order", "round", "upright"}},
		"upside down":             {filming(shot{filter: "hflip,vflip"}), []string{"colour", "order", "upright"}},
		"mirrored":                {filming(shot{filter: "hflip"}), []string{"colour", "order", "upright"}},
		"stretched":               {filming(shot{card: testCard{width: 240, height: 180}, filter: "scale=320:180,setsar=1"}), []string{"round"}},
		"bars of its own":         {filming(shot{filter: "scale=240:180,pad=320:180:-1:-1,setsar=1"}), []string{"bars", "colour", "mark", "order", "round", "upright"}},
		"of the wrong matrix":     {filming(shot{filter: "scale=out_color_matrix=bt709:out_range=tv"}), []string{"colour"}},
		"PQ shown as ordinary":    {filming(shot{card: testCard{transfer: "smpte2084"}, filter: "scale=out_color_matrix=bt601"}), []string{"colour", "round"}},
		"one picture twice":       {filming(shot{filter: "select='not(eq(n,20))',setpts='(N+gte(N,20))/30/TB'"}), []string{"order"}},
		"unmarked":                {bodyThrough(good, "drawbox=x=264:y=2:w=54:h=42:c=0x288C32:t=fill"), []string{"mark"}},
		"a picture too few":       {bodyThrough(good, "trim=end_frame=59"), []string{"frames", "order"}},
		"a picture too many":      {bodyThrough(good, "tpad=stop=1:stop_mode=clone"), []string{"frames", "order"}},
		"no opening card":         {partsThrough(good, "drawbox=c=black:t=fill", "null", "null"), []string{"cards"}},
		"no closing card":         {partsThrough(good, "null", "null", "drawbox=c=black:t=fill"), []string{"cards"}},
		"the last second cut off": {remuxed(good, "-movflags", "+faststart", "-t", "2"), []string{"cards", "frames", "order"}},
		"the place still in it":   {remuxed(good, "-movflags", "+faststart", "-metadata", "location=+04.6097-074.0817/"), []string{"metadata"}},
		"its index behind":        {remuxed(good), []string{"index"}},
		"29.97 a second":          {reencoded(good, "-vf", "setpts=N*1001/30000/TB,"+bt709, "-r", "30000/1001"), []string{"format", "times"}},
		"another pixel format":    {reencoded(good, "-pix_fmt", "yuv444p", "-profile:v", "high444"), []string{"format"}},
		"with sound":              {withTone(good), []string{"format"}},
		"half of the file":        {cutOff(good, 2), nil},
		"bytes changed":           {scratched(good), nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := complaintsOf(examine(t, tt.make(t)), want)
			if tt.wrong == nil { // how much is damaged is chance, but it is
				require.Contains(t, found, "clean")
				return
			}
			require.Equal(t, tt.wrong, slices.Sorted(maps.Keys(found)), "%v", found)
		})
	}
}

// filming encodes an upload that is wrong already.
func filming(s shot) func(*testing.T) string {
	return func(t *testing.T) string {
		t.Helper()
		return encoded(t, s.make(t, t.TempDir()), 0).Video.Path
	}
}

// remuxed copies the pictures of a video into another file.
func remuxed(path string, args ...string) func(*testing.T) string {
	return func(t *testing.T) string {
		t.Helper()
		out := filepath.Join(t.TempDir(), "wrong.mp4")
		ffmpegtest.FFmpeg(t, append(append([]string{"-i", path, "-c", "copy", "-video_track_timescale", "30000"}, args...), out)...)
		return out
	}
}

// reencoded encodes a video again as ours are, but for args.
func reencoded(path string, args ...string) func(*testing.T) string {
	return func(t *testing.T) string {
		t.Helper()
		out := filepath.Join(t.TempDir(), "wrong.mp4")
		all := append([]string{"-i", path}, smallConfig().encoding()...)
		ffmpegtest.FFmpeg(t, append(append(all, append([]string{"-crf", "12", "-movflags", "+faststart"}, args...)...), out)...)
		return out
	}
}

// bodyThrough changes what is between the cards.
func bodyThrough(path, filter string) func(*testing.T) string {
	return partsThrough(path, "null", filter, "null")
}

func partsThrough(path, opening, body, closing string) func(*testing.T) string {
	graph := fmt.Sprintf("[0:v]split=3[o][b][c];[o]trim=end_frame=%[1]d,%[3]s[O];"+
		"[b]trim=start_frame=%[1]d:end_frame=%[2]d,setpts=PTS-STARTPTS,%[4]s[B];[c]trim=start_frame=%[2]d,setpts=PTS-STARTPTS,%[5]s[C];"+
		"[O][B][C]concat=n=3,fps=30,%[6]s[v]", cardFrames, cardFrames+clipFrames, opening, body, closing, bt709)
	return reencoded(path, "-filter_complex", graph, "-map", "[v]")
}

func withTone(path string) func(*testing.T) string {
	return func(t *testing.T) string {
		t.Helper()
		out := filepath.Join(t.TempDir(), "wrong.mp4")
		ffmpegtest.FFmpeg(t, "-i", path, "-f", "lavfi", "-i", "sine=d=3", "-c:v", "copy", "-movflags", "+faststart", out)
		return out
	}
}

func cutOff(path string, parts int) func(*testing.T) string {
	return func(t *testing.T) string {
		t.Helper()
		data := readFile(t, path)
		return ffmpegtest.Write(t, "wrong.mp4", data[:len(data)-len(media(data))/parts])
	}
}

func scratched(path string) func(*testing.T) string {
	return func(t *testing.T) string {
		t.Helper()
		data := bytes.Clone(readFile(t, path))
		return ffmpegtest.Write(t, "wrong.mp4", withFlips(data, len(data)-len(media(data)), 200, 1))
	}
}
