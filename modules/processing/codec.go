package processing

import (
	"fmt"
	"path/filepath"
	"strconv"
)

// AnyCodec leaves the choice of the H.264 encoder to OpenEncoder.
const AnyCodec = "auto"

// software is the encoder that every ffmpeg has and that all figures are of.
const software = "libx264"

// codec is an H.264 encoder that ffmpeg may have.
type codec struct {
	name    string
	device  []string // options before the first input
	upload  string   // filters after the last one of ours
	quality []string // output options
}

// hardware names the encoders to try, the most wished for first.
func hardware() []string { return []string{"h264_nvenc", "h264_vaapi"} }

// codec returns the encoder that c names; AnyCodec is x264. The quality scales
// of hardware are not x264's, but near it: NVIDIA's cq is meant for the same
// numbers, and the qp of VA-API is H.264's own, around which crf moves.
func (c EncoderConfig) codec() codec {
	quality := strconv.Itoa(c.CRF)
	switch c.Codec {
	case "h264_nvenc":
		return codec{
			name:    c.Codec,
			quality: []string{"-preset", "p5", "-rc", "vbr", "-cq", quality, "-b:v", "0", "-pix_fmt", "yuv420p"},
		}
	case "h264_vaapi":
		device := "/dev/dri/renderD128"
		if found, err := filepath.Glob("/dev/dri/renderD*"); err == nil && len(found) > 0 {
			device = found[0]
		}
		return codec{
			name: c.Codec, device: []string{"-vaapi_device", device}, upload: ",format=nv12,hwupload",
			quality: []string{"-rc_mode", "CQP", "-qp", quality},
		}
	}
	// stitchable keeps content and quality out of the parameter sets,
	// chromaloc=0 the source's chroma position.
	return codec{
		name: software,
		quality: []string{
			"-threads", strconv.Itoa(c.Threads), "-preset", c.Preset, "-crf", quality,
			"-pix_fmt", "yuv420p", "-x264-params", "stitchable=1:chromaloc=0",
		},
	}
}

// finish are the last filters of every graph: the tags, which the encoder
// copies from the frame, and the way to the hardware.
func (c EncoderConfig) finish() string { return bt709 + c.codec().upload }

func (c EncoderConfig) validateCodec() error {
	switch c.Codec {
	case AnyCodec, software, "h264_nvenc", "h264_vaapi":
		return nil
	}
	return fmt.Errorf("codec is %q; use auto, libx264, h264_nvenc or h264_vaapi", c.Codec)
}
