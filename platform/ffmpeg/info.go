package ffmpeg

import (
	"encoding/json"
	"math"
	"strings"
	"time"
)

// Info is what ffprobe says about a file. Unknown values are zero.
type Info struct {
	Format   string        // names of the demuxer: "mov,mp4,m4a,3gp,3g2,mj2"
	Start    time.Duration // earliest time of any stream
	Duration time.Duration // of the container, which is seldom that of the pictures
	Size     int64         // bytes
	Tags     map[string]string
	Streams  []Stream
}

// Stream is one track.
type Stream struct {
	Index    int
	Kind     string // video, audio, data, subtitle, attachment
	Codec    string // "h264"; empty when ffmpeg knows none
	Profile  string
	PixFmt   string
	Width    int // pixels as stored, before rotation
	Height   int
	SAR      Ratio // shape of a pixel; zero: unknown, take it as square
	Rotation int   // degrees counter-clockwise that make it upright: 0, 90, 180 or 270

	AverageRate Ratio // frames per second
	BaseRate    Ratio // r_frame_rate: often a trap, use AverageRate
	TimeBase    Ratio
	Start       time.Duration
	Duration    time.Duration
	Frames      int64
	FieldOrder  string // progressive, tt, bb, tb, bt

	ColorRange, ColorSpace, ColorTransfer, ColorPrimaries string

	AttachedPic   bool   // cover art, not a video
	Default       bool   // the track players choose
	ExtradataHash string // SHA-256 of the codec's parameter sets
	Tags          map[string]string
}

// text is a JSON string, or any other scalar as it is written.
type text string

func (t *text) UnmarshalJSON(data []byte) error {
	var s string
	if json.Unmarshal(data, &s) == nil {
		*t = text(s)
	} else {
		*t = text(data)
	}
	return nil
}

func (t text) int() int {
	n := count(string(t))
	if n > math.MaxInt32 {
		return 0
	}
	return int(n)
}

type rawInfo struct {
	Format struct {
		Name     text            `json:"format_name"`
		Start    text            `json:"start_time"`
		Duration text            `json:"duration"`
		Size     text            `json:"size"`
		Tags     map[string]text `json:"tags"`
	} `json:"format"`
	Streams []rawStream `json:"streams"`
}

type rawStream struct {
	Index       text            `json:"index"`
	Kind        text            `json:"codec_type"`
	Codec       text            `json:"codec_name"`
	Profile     text            `json:"profile"`
	PixFmt      text            `json:"pix_fmt"`
	Width       text            `json:"width"`
	Height      text            `json:"height"`
	SAR         text            `json:"sample_aspect_ratio"`
	Average     text            `json:"avg_frame_rate"`
	Base        text            `json:"r_frame_rate"`
	TimeBase    text            `json:"time_base"`
	Start       text            `json:"start_time"`
	Duration    text            `json:"duration"`
	Frames      text            `json:"nb_frames"`
	FieldOrder  text            `json:"field_order"`
	Range       text            `json:"color_range"`
	Space       text            `json:"color_space"`
	Transfer    text            `json:"color_transfer"`
	Primaries   text            `json:"color_primaries"`
	Hash        text            `json:"extradata_hash"`
	Disposition map[string]text `json:"disposition"`
	Tags        map[string]text `json:"tags"`
	SideData    []struct {
		Rotation *text `json:"rotation"`
	} `json:"side_data_list"`
}

func (r rawInfo) info() Info {
	i := Info{
		Format:   string(r.Format.Name),
		Start:    seconds(string(r.Format.Start)),
		Duration: max(0, seconds(string(r.Format.Duration))),
		Size:     count(string(r.Format.Size)),
		Tags:     tags(r.Format.Tags),
	}
	for _, s := range r.Streams {
		i.Streams = append(i.Streams, s.stream())
	}
	return i
}

func (r rawStream) stream() Stream {
	s := Stream{
		Index: r.Index.int(), Kind: string(r.Kind), Codec: string(r.Codec), Profile: string(r.Profile),
		PixFmt: string(r.PixFmt), Width: r.Width.int(), Height: r.Height.int(), SAR: ratio(string(r.SAR)),
		AverageRate: ratio(string(r.Average)), BaseRate: ratio(string(r.Base)), TimeBase: ratio(string(r.TimeBase)),
		Start: seconds(string(r.Start)), Duration: max(0, seconds(string(r.Duration))),
		Frames: count(string(r.Frames)), FieldOrder: string(r.FieldOrder),
		ColorRange: string(r.Range), ColorSpace: string(r.Space),
		ColorTransfer: string(r.Transfer), ColorPrimaries: string(r.Primaries),
		AttachedPic:   r.Disposition["attached_pic"] == "1",
		Default:       r.Disposition["default"] == "1",
		ExtradataHash: strings.TrimPrefix(string(r.Hash), "SHA256:"),
		Tags:          tags(r.Tags),
	}
	if s.Codec == "unknown" || s.Codec == "none" {
		s.Codec = ""
	}
	for _, d := range r.SideData {
		if d.Rotation != nil {
			s.Rotation = quarter(number(string(*d.Rotation)))
		}
	}
	return s
}

// quarter rounds an angle to the nearest quarter turn, from 0 to 270 degrees.
func quarter(degrees float64) int {
	turns := int(math.Round(math.Mod(degrees, 360)/90)) % 4
	return (turns + 4) % 4 * 90
}

func tags(raw map[string]text) map[string]string {
	m := make(map[string]string, len(raw))
	for k, v := range raw {
		m[k] = string(v)
	}
	return m
}
