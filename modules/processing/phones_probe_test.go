package processing

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"anb/platform/ffmpeg"
)

// packet holds times in the track's own unit.
type packet struct {
	Stream   int   `json:"stream_index"`
	PTS      int64 `json:"pts"`
	DTS      int64 `json:"dts"`
	Duration int64 `json:"duration"`
}

// probed is the part of ffprobe's answer that the checks need.
type probed struct {
	Packets []packet `json:"packets"` // in the order of the file
	Streams []struct {
		Kind      string            `json:"codec_type"`
		Codec     string            `json:"codec_name"`
		Profile   string            `json:"profile"`
		PixFmt    string            `json:"pix_fmt"`
		Width     int               `json:"width"`
		Height    int               `json:"height"`
		SAR       string            `json:"sample_aspect_ratio"`
		Rate      string            `json:"avg_frame_rate"`
		TimeBase  string            `json:"time_base"`
		Range     string            `json:"color_range"`
		Space     string            `json:"color_space"`
		Transfer  string            `json:"color_transfer"`
		Primaries string            `json:"color_primaries"`
		SideData  []json.RawMessage `json:"side_data_list"`
		Tags      map[string]string `json:"tags"`
	} `json:"streams"`
	Format struct {
		Tags map[string]string `json:"tags"`
	} `json:"format"`
}

// probe asks ffprobe once for everything about a video.
func probe(t *testing.T, path string) (ffmpeg.Info, []packet) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ffprobe", "-v", "quiet",
		"-show_format", "-show_streams", "-show_packets", "-of", "json", path).Output()
	require.NoError(t, err)
	var p probed
	require.NoError(t, json.Unmarshal(out, &p))
	info := ffmpeg.Info{Tags: p.Format.Tags}
	for _, s := range p.Streams {
		info.Streams = append(info.Streams, ffmpeg.Stream{
			Kind: s.Kind, Codec: s.Codec, Profile: s.Profile, PixFmt: s.PixFmt, Width: s.Width, Height: s.Height,
			SAR: fraction(s.SAR), AverageRate: fraction(s.Rate), TimeBase: fraction(s.TimeBase), Rotation: len(s.SideData), // a display matrix, say
			ColorRange: s.Range, ColorSpace: s.Space, ColorTransfer: s.Transfer, ColorPrimaries: s.Primaries, Tags: s.Tags,
		})
	}
	return info, slices.DeleteFunc(p.Packets, func(p packet) bool { return p.Stream != 0 })
}

func fraction(s string) ffmpeg.Ratio {
	var r ffmpeg.Ratio
	_, _ = fmt.Sscanf(strings.Replace(s, ":", "/", 1), "%d/%d", &r.Num, &r.Den)
	return r
}

// packetSizes lists the sizes in bytes of a video's pictures.
func packetSizes(t *testing.T, path string) []int {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ffprobe", "-v", "quiet", "-select_streams", "v:0",
		"-show_entries", "packet=size", "-of", "csv=p=0", path).Output()
	require.NoError(t, err)
	var sizes []int
	for _, field := range strings.Fields(strings.ReplaceAll(string(out), ",", " ")) {
		n, err := strconv.Atoi(field)
		require.NoError(t, err)
		sizes = append(sizes, n)
	}
	return sizes
}
