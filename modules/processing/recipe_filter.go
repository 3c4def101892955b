package processing

import (
	"fmt"
	"strings"
)

// bt709 is what every frame is tagged with; the encoder copies it, and not the
// output options, into the stream.
const bt709 = "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv"

// bodyFilter makes [v] of the upload and the watermark, with last as the final
// filters. It never holds a word of the user's: all of it is ours or a number.
func (c EncoderConfig) bodyFilter(s Source, frames int64, last string) string {
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
	// A recording may change its size: a phone is turned, a call gets worse.
	scale += ":eval=frame"
	switch {
	case s.HDR():
		// After scaling there is less to do, and in floats ffmpeg looks several
		// colours up at once. The table is in the job's folder.
		steps = append(steps, scale+":in_color_matrix=bt2020", "format=gbrpf32le", "lut3d="+cubeName, "scale=out_color_matrix=bt709:out_range=tv")
	case s.Untagged && min(s.Width, s.Height) >= 720:
		// Converting from a guessed matrix doubles the cost and is wrong.
		steps = append(steps, scale+":in_color_matrix=bt709:out_color_matrix=bt709:out_range=tv")
	default:
		steps = append(steps, scale+":out_color_matrix=bt709:out_range=tv")
	}
	steps = append(steps, "format=yuv420p", fmt.Sprintf("pad=%d:%d:-1:-1:eval=frame", c.Width, c.Height), "setsar=1")
	return fmt.Sprintf("[0:%d]%s[b];[b][1:v]%s,format=yuv420p,%s[v]", s.Stream, strings.Join(steps, ","), c.watermarkFilter(frames), last)
}
