package processing

import (
	"encoding/binary"
	"testing"

	"anb/platform/ffmpeg/ffmpegtest"
)

// Shapes of pictures.
var (
	upright = testCard{width: 180, height: 320}
	lying   = testCard{width: 320, height: 180}
)

func shapePhones() []phone {
	return []phone{
		{group: "Shape", input: "filmed sideways, as one should", shot: shot{}},
		{group: "Shape", input: "filmed upright, stored upright", shot: shot{card: upright}},
		{group: "Shape", input: "filmed upright, stored lying, turned by the display matrix (90)",
			reports: []string{"immich#10498", "stashapp/stash#4233", "mastodon#33006", "PeerTube v8.3.1"},
			shot:    shot{card: upright, filter: "transpose=clock", turn: 90}},
		{group: "Shape", input: "filmed upright, the other way round (270)", reports: []string{"immich#15970"},
			shot: shot{card: upright, filter: "transpose=cclock", turn: 270}},
		{group: "Shape", input: "filmed sideways with the phone upside down (180)", reports: []string{"immich#10498"},
			shot: shot{card: lying, filter: "hflip,vflip", turn: 180}},
		{group: "Shape", input: "front camera, mirrored by the display matrix",
			shot: shot{filter: "hflip", then: []func(*testing.T, string) string{patched(matrix(-1, 0, 0, 1))}}},
		{group: "Shape", input: "mirrored upside down by the display matrix",
			shot: shot{filter: "vflip", then: []func(*testing.T, string) string{patched(matrix(1, 0, 0, -1))}}},
		{group: "Shape", input: "front camera held upright, turned and mirrored by the display matrix",
			shot: shot{card: upright, filter: "transpose=cclock_flip", then: []func(*testing.T, string) string{patched(matrix(0, 1, 1, 0))}}},
		{group: "Shape", input: "square", shot: shot{card: testCard{width: 240, height: 240}}},
		{group: "Shape", input: "cinema, 2.35:1", shot: shot{card: testCard{width: 470, height: 200}}},
		{group: "Shape", input: "old television, 4:3", shot: shot{card: testCard{width: 320, height: 240}}},
		{group: "Shape", input: "very tall, 9:21", shot: shot{card: testCard{width: 144, height: 336}}},
		{group: "Shape", input: "pixels wider than high (4:3)", shot: shot{card: testCard{width: 240, height: 180, aspect: 16.0 / 9}, filter: "setsar=4/3"}},
		{group: "Shape", input: "pixels higher than wide (8:9), upright and turned",
			shot: shot{card: testCard{width: 180, height: 360, aspect: 9.0 / 16}, filter: "transpose=clock,setsar=8/9", turn: 90}},
		{group: "Shape", input: "shape of pixels unknown (0:1)", reports: []string{"jellyfin#14640"}, shot: shot{filter: "setsar=0"}},
		{group: "Shape", input: "odd size in 4:4:4, 641x361", reports: []string{"PeerTube#2175"},
			shot: shot{card: testCard{width: 641, height: 361}, codec: append([]string{"-pix_fmt", "yuv444p"}, quick...), name: "clip.mov"}},
		{group: "Shape", input: "odd size, like 1164x767", reports: []string{"PeerTube#4155"},
			shot: shot{card: testCard{width: 291, height: 191}, codec: []string{"-c:v", "mpeg4", "-q:v", "2"}}},
		{group: "Shape", input: "one line less than usual, like 1920x1079", reports: []string{"pulsejet/memories#775"},
			shot: shot{card: testCard{width: 320, height: 179}, codec: []string{"-c:v", "mpeg4", "-q:v", "2"}}},
	}
}

// matrix writes the four numbers that turn and mirror into the track's header.
func matrix(a, b, c, d int32) func(*testing.T, []byte) []byte {
	return func(t *testing.T, data []byte) []byte {
		t.Helper()
		header := ffmpegtest.Box(t, data, "moov/trak/tkhd")
		at := header[len(header)-44:] // nine numbers, then width and height
		for i, v := range []int32{a, b, 0, c, d, 0} {
			binary.BigEndian.PutUint32(at[4*i:], uint32(v<<16)) //nolint:gosec // fixed point, two's complement
		}
		return data
	}
}
