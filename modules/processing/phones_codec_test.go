package processing

import (
	"testing"

	"anb/platform/ffmpeg/ffmpegtest"
)

func codecPhones() []phone {
	x265 := func(tag string) []string {
		return []string{"-c:v", "libx265", "-preset", "ultrafast", "-crf", "16", "-tag:v", tag, "-x265-params", "log-level=error:pools=1:frame-threads=1"}
	}
	slow := []string{"-c:v", "libx264", "-preset", "veryfast", "-crf", "12"}
	return []phone{
		{group: "Codec", input: "HEVC (hvc1, iPhone)", shot: shot{codec: x265("hvc1"), name: "clip.mov"}},
		{group: "Codec", input: "HEVC (hev1)", shot: shot{codec: x265("hev1")}},
		{group: "Codec", input: "H.264 Baseline, as cheap phones make it", shot: shot{codec: append([]string{"-profile:v", "baseline"}, quick...)}},
		{group: "Codec", input: "H.264 with B-pictures as references and a key picture every 250", shot: shot{codec: append(slow[:len(slow):len(slow)], "-g", "250", "-bf", "3", "-b_strategy", "1", "-b-pyramid", "normal")}},
		{group: "Codec", input: "H.264 with open groups", shot: shot{codec: append(slow[:len(slow):len(slow)], "-g", "20", "-bf", "3", "-flags", "-cgop", "-x264opts", "open-gop=1")}},
		{group: "Codec", input: "H.264 in four slices a picture", shot: shot{codec: append([]string{"-slices", "4"}, quick...)}},
		{group: "Codec", input: "H.264 whose parameters are repeated in the stream (avc3)", shot: shot{codec: append([]string{"-tag:v", "avc3", "-bsf:v", "dump_extra"}, quick...)}},
		{group: "Codec", input: "AV1 (Pixel 8)", shot: shot{codec: []string{"-c:v", "libsvtav1", "-preset", "12", "-crf", "20", "-g", "30"}}},
		{group: "Codec", input: "VP9 in MP4", shot: shot{codec: []string{"-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-crf", "20", "-b:v", "0"}}},
		{group: "Codec", input: "MPEG-4 part 2", shot: shot{codec: []string{"-c:v", "mpeg4", "-q:v", "2"}}},
		{group: "Codec", input: "MJPEG in QuickTime", shot: shot{codec: []string{"-c:v", "mjpeg", "-q:v", "2", "-pix_fmt", "yuvj420p"}, name: "clip.mov"}},
		{group: "Codec", input: "ProRes in QuickTime (iPhone Pro)", shot: shot{codec: []string{"-c:v", "prores", "-profile:v", "3", "-pix_fmt", "yuv422p10le"}, name: "clip.mov"}},
		{group: "Codec", input: "H.263", refused: ReasonCodecNotSupported, make: shot{card: testCard{width: 352, height: 288}, codec: []string{"-c:v", "h263"}, output: []string{"-f", "mov"}}.make},
		{group: "Codec", input: "MPEG-2", refused: ReasonCodecNotSupported, make: shot{codec: []string{"-c:v", "mpeg2video"}}.make},
		{group: "Codec", input: "a codec that does not exist", refused: ReasonCodecNotSupported, make: shot{then: steps{patched(func(t *testing.T, d []byte) []byte {
			t.Helper()
			copy(ffmpegtest.Box(t, d, "moov/trak/mdia/minf/stbl/stsd/avc1")[4:], "zzzz")
			return d
		})}}.make},
	}
}
