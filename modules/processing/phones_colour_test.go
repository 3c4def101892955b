package processing

import (
	"strings"
	"testing"
)

// wideTolerance is how far a colour of HDR may be from the same colour in an
// ordinary video, of 255. Reference white gives way to what is lighter still.
const wideTolerance = 20

func colourPhones() []phone {
	with := func(more ...string) []string { return append(append([]string{}, quick...), more...) }
	tagged := func(matrix, scope string) []string {
		transfer := strings.ReplaceAll(matrix, "bt470bg", "gamma28")
		return with("-colorspace", matrix, "-color_primaries", matrix, "-color_trc", transfer, "-color_range", scope)
	}
	matrixOf := func(m string) string { return "scale=out_color_matrix=" + m + ":out_range=tv" }
	vui := func(p, trc, m string) steps {
		return steps{copied("-bsf:v", "h264_metadata=colour_primaries="+p+":transfer_characteristics="+trc+":matrix_coefficients="+m)}
	}
	large := testCard{width: 1280, height: 720, frames: 36}
	return []phone{
		{group: "Colour", input: "BT.709, said so", shot: shot{filter: matrixOf("bt709"), codec: tagged("bt709", "tv")}},
		{group: "Colour", input: "BT.601, said so", shot: shot{filter: matrixOf("bt601"), codec: tagged("smpte170m", "tv")}},
		{group: "Colour", input: "BT.470 BG, as older phones say", shot: shot{filter: matrixOf("bt601"), codec: tagged("bt470bg", "tv")}},
		{group: "Colour", input: "unsaid, small", shot: shot{filter: matrixOf("bt601")}},
		{group: "Colour", input: "unsaid, 720 lines or more", shot: shot{card: large, filter: matrixOf("bt709")}, count: 36},
		{group: "Colour", input: "reserved values, 720 lines or more (WhatsApp)", reports: []string{"immich#16154"},
			shot: shot{card: large, filter: matrixOf("bt709"), then: vui("3", "3", "3")}, count: 36},
		{group: "Colour", input: "values nobody has defined", reports: []string{"immich#16154"}, shot: shot{filter: matrixOf("bt601"), then: vui("77", "78", "79")}},
		{group: "Colour", input: "full range (yuvj420p)", shot: shot{filter: "scale=out_color_matrix=bt709:out_range=pc", codec: append(tagged("bt709", "pc"), "-pix_fmt", "yuvj420p")}},
		{group: "Colour", input: "10 bits, ordinary colours", shot: shot{filter: matrixOf("bt709"), codec: append(tagged("bt709", "tv"), "-pix_fmt", "yuv420p10le")}},
		{group: "Colour", input: "4:2:2", shot: shot{filter: matrixOf("bt709"), codec: append(tagged("bt709", "tv"), "-pix_fmt", "yuv422p")}},
		{group: "Colour", input: "4:4:4", reports: []string{"PeerTube#2175"}, shot: shot{filter: matrixOf("bt709"), codec: append(tagged("bt709", "tv"), "-pix_fmt", "yuv444p")}},
		{group: "Colour", input: "4:4:4 RGB, as screens are recorded", shot: shot{codec: []string{"-pix_fmt", "rgb24", "-c:v", "libx264rgb", "-preset", "ultrafast", "-crf", "12"}}},
		wide("HLG in HEVC, 10 bits (iPhone, Pixel)", "arib-std-b67", hevcHDR("arib-std-b67", "")),
		wide("PQ in HEVC, 10 bits (Samsung HDR10+)", "smpte2084", hevcHDR("smpte2084", "")),
		wide("PQ that says how light its brightest picture is (HDR10)", "smpte2084",
			hevcHDR("smpte2084", ":master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1):max-cll=1000,400")),
		wide("HLG in H.264, 10 bits", "arib-std-b67", h264HDR("arib-std-b67", "yuv420p10le")),
		wide("PQ in H.264, 10 bits", "smpte2084", h264HDR("smpte2084", "yuv420p10le")),
		wide("HLG in H.264, 8 bits", "arib-std-b67", h264HDR("arib-std-b67", "yuv420p")),
		dolby(),
	}
}

// wide is an input whose colours are those of the ordinary card, in HDR.
func wide(input, transfer string, codec []string) phone {
	return phone{
		group: "Colour", input: input, colours: wideTolerance,
		reports: []string{"LibrePhotos/librephotos#455", "immich#15867", "browser-use/video-use#6"},
		shot: shot{
			card: testCard{transfer: transfer}, codec: codec,
			filter: "scale=out_color_matrix=bt2020:out_range=tv,setparams=color_primaries=bt2020:color_trc=" + transfer + ":colorspace=bt2020nc:range=tv",
		},
	}
}

func hevcHDR(transfer, more string) []string {
	return []string{
		"-c:v", "libx265", "-preset", "ultrafast", "-crf", "16", "-pix_fmt", "yuv420p10le", "-tag:v", "hvc1", "-x265-params",
		"log-level=error:pools=1:frame-threads=1:colorprim=bt2020:transfer=" + transfer + ":colormatrix=bt2020nc:range=limited" + more,
		"-color_primaries", "bt2020", "-color_trc", transfer, "-colorspace", "bt2020nc",
	}
}

func h264HDR(transfer, format string) []string {
	return append(append([]string{}, quick...), "-pix_fmt", format, "-color_primaries", "bt2020", "-color_trc", transfer, "-colorspace", "bt2020nc")
}

// dolby has the box that says Dolby Vision 8.4: HLG that any player shows.
func dolby() phone {
	p := wide("Dolby Vision 8.4 (iPhone), which is HLG at heart", "arib-std-b67", hevcHDR("arib-std-b67", ""))
	p.shot.behind = true
	p.shot.then = steps{patched(func(t *testing.T, data []byte) []byte {
		t.Helper()
		return withDolbyVision(t, data)
	})}
	return p
}
