package processing

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"anb/platform/ffmpeg/ffmpegtest"
)

// disguises refer to something outside themselves; clip is a good video with
// its index at the end.
func disguises(clip []byte) map[string]disguise {
	type victimText = func(victim string, c *ffmpegtest.Canary) string
	refers := func(want Reason, f victimText, control ...string) disguise {
		return disguise{want: want, refers: true, control: control, make: func(_ *testing.T, victim string, c *ffmpegtest.Canary) []byte {
			return []byte(f(victim, c))
		}}
	}
	text := func(f victimText, control ...string) disguise {
		return refers(ReasonContainerNotAllowed, f, control...)
	}
	playlist := func(address string, before ...string) string {
		head := "#EXTM3U\n#EXT-X-TARGETDURATION:2\n"
		for _, line := range before {
			head += line + "\n"
		}
		return head + "#EXTINF:2,\n" + address + "\n#EXT-X-ENDLIST\n"
	}
	everything := []string{"-protocol_whitelist", "file,http,tcp,udp,rtp,crypto,concat,subfile,data", "-allowed_extensions", "ALL"}
	network := everything[:2]
	const mpd = `<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011" ` +
		`type="static" mediaPresentationDuration="PT2S" minBufferTime="PT1S"><Period><AdaptationSet mimeType="video/mp4"><Representation ` +
		`id="1" bandwidth="1000" codecs="avc1.42c01e"><BaseURL>%s</BaseURL><SegmentList duration="2"><SegmentURL media="%[1]s"/></SegmentList>` +
		`</Representation></AdaptationSet></Period></MPD>`
	return map[string]disguise{
		"HLS, a file's address": text(func(victim string, _ *ffmpegtest.Canary) string { return playlist("file://" + victim) }, "-nostats"),
		"HLS, a name in the same folder": text(func(victim string, _ *ffmpegtest.Canary) string {
			return playlist(filepath.Base(victim))
		}, "-nostats"),
		"HLS, a web address": text(func(_ string, c *ffmpegtest.Canary) string { return playlist("http://" + c.TCP + "/a.ts") }, everything...),
		"HLS, a key elsewhere": text(func(victim string, c *ffmpegtest.Canary) string {
			return playlist("http://"+c.TCP+"/a.ts", `#EXT-X-KEY:METHOD=AES-128,URI="file://`+victim+`",IV=0x00000000000000000000000000000000`)
		}, everything...),
		"HLS, concat:": text(func(victim string, _ *ffmpegtest.Canary) string { return playlist("concat:" + victim + "|" + victim) }),
		"HLS, subfile:": text(func(victim string, _ *ffmpegtest.Canary) string {
			return playlist("subfile,,start,0,end,9,,:" + victim)
		}),
		"HLS, crypto:": text(func(victim string, _ *ffmpegtest.Canary) string { return playlist("crypto+file://" + victim) }),
		"HLS, UDP":     text(func(_ string, c *ffmpegtest.Canary) string { return playlist("udp://" + c.UDP) }),
		"HLS of playlists": text(func(_ string, c *ffmpegtest.Canary) string {
			return "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nhttp://" + c.TCP + "/b.m3u8\n"
		}, everything...),
		"concat, an absolute name": text(func(victim string, _ *ffmpegtest.Canary) string {
			return "ffconcat version 1.0\nfile '" + victim + "'\n"
		}, "-f", "concat", "-safe", "0"),
		"concat, a name in the same folder": text(func(victim string, _ *ffmpegtest.Canary) string {
			return "ffconcat version 1.0\nfile " + filepath.Base(victim) + "\n"
		}, "-nostats"),
		"concat, a web address": text(func(_ string, c *ffmpegtest.Canary) string {
			return "ffconcat version 1.0\nfile http://" + c.TCP + "/a.mp4\n"
		}, append([]string{"-f", "concat", "-safe", "0"}, network...)...),
		"DASH, a web address": text(func(_ string, c *ffmpegtest.Canary) string { return fmt.Sprintf(mpd, "http://"+c.TCP+"/a.mp4") }, network...),
		"DASH, a file":        text(func(victim string, _ *ffmpegtest.Canary) string { return fmt.Sprintf(mpd, "file://"+victim) }),
		"SDP": text(func(_ string, c *ffmpegtest.Canary) string {
			host, port, _ := net.SplitHostPort(c.UDP)
			return "v=0\no=- 0 0 IN IP4 " + host + "\ns=x\nc=IN IP4 " + host + "\nt=0 0\nm=video " + port + " RTP/AVP 96\na=rtpmap:96 H264/90000\n"
		}),
		"SVG with outside pictures": refers(ReasonNotAVideo, func(victim string, c *ffmpegtest.Canary) string {
			return `<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY x SYSTEM "file://` + victim + `">]><svg xmlns="http://www.w3.org/2000/svg" ` +
				`xmlns:xlink="http://www.w3.org/1999/xlink" width="64" height="64"><image xlink:href="http://` + c.TCP + `/a.png" width="9" height="9"/>` +
				`<image xlink:href="file://` + victim + `" width="9" height="9"/><text>&x;</text></svg>`
		}),
		"MP4 with its samples in another file": {
			fails: true, refers: true, control: []string{"-enable_drefs", "1", "-use_absolute_path", "1"},
			make: func(t *testing.T, victim string, _ *ffmpegtest.Canary) []byte {
				return elsewhere(t, clip, 1, "alis", alias(victim))
			},
		},
		"MP4 with its samples at an address": {
			refers: true,
			make: func(t *testing.T, _ string, c *ffmpegtest.Canary) []byte {
				return elsewhere(t, clip, 2, "url ", []byte("http://"+c.TCP+"/a.mp4\x00"))
			},
		},
	}
}

// elsewhere adds a data reference to a clip, and makes its video use the
// reference of that number; ffmpeg does not count kinds that it ignores.
func elsewhere(t *testing.T, clip []byte, number uint16, kind string, where []byte) []byte {
	t.Helper()
	entry := binary.BigEndian.AppendUint32(nil, uint32(12+len(where))) //nolint:gosec // a few bytes
	entry = append(append(append(entry, kind...), 0, 0, 0, 0), where...)
	data := ffmpegtest.InsertBox(t, clip, "moov/trak/mdia/minf/dinf/dref", entry)
	const entries, index = 12, 14 // where the boxes have the two numbers
	binary.BigEndian.PutUint32(ffmpegtest.Box(t, data, "moov/trak/mdia/minf/dinf/dref")[entries:], 2)
	binary.BigEndian.PutUint16(ffmpegtest.Box(t, data, "moov/trak/mdia/minf/stbl/stsd/avc1")[index:], number)
	return data
}

// alias is a Macintosh alias record with an absolute path, the only data
// reference that ffmpeg follows.
func alias(path string) []byte {
	record := make([]byte, 150)
	record = binary.BigEndian.AppendUint16(record, 2)
	record = binary.BigEndian.AppendUint16(record, uint16(len(path))) //nolint:gosec // the path of a temporary file
	record = append(record, path...)
	return append(record, make([]byte, len(path)%2)...)
}

// plainDisguises are simply no videos.
func plainDisguises() map[string]disguise {
	picture := image.NewPaletted(image.Rect(0, 0, 320, 180), color.Palette{color.Black, color.White})
	drawn := func(encode func(*bytes.Buffer) error) disguise {
		return disguise{want: ReasonContainerNotAllowed, make: func(t *testing.T, _ string, _ *ffmpegtest.Canary) []byte {
			var b bytes.Buffer
			require.NoError(t, encode(&b))
			return b.Bytes()
		}}
	}
	other := func(data string) disguise {
		return disguise{want: ReasonNotAVideo, make: func(*testing.T, string, *ffmpegtest.Canary) []byte { return []byte(data) }}
	}
	archive := drawn(func(b *bytes.Buffer) error {
		w := zip.NewWriter(b)
		if _, err := w.Create("clip.mp4"); err != nil {
			return err
		}
		return w.Close()
	})
	archive.want = ReasonNotAVideo
	return map[string]disguise{
		"PNG":  drawn(func(b *bytes.Buffer) error { return png.Encode(b, picture) }),
		"JPEG": drawn(func(b *bytes.Buffer) error { return jpeg.Encode(b, picture, nil) }),
		"GIF":  drawn(func(b *bytes.Buffer) error { return gif.Encode(b, picture, nil) }),
		"ZIP":  archive,
		"MP3 with a cover": {want: ReasonContainerNotAllowed, make: func(t *testing.T, _ string, _ *ffmpegtest.Canary) []byte {
			path := filepath.Join(t.TempDir(), "song.mp3")
			ffmpegtest.FFmpeg(t, "-f", "lavfi", "-i", "sine=d=2", "-f", "lavfi", "-i", "testsrc2=s=64x64:d=0.04", "-map", "0", "-map", "1",
				"-disposition:v", "attached_pic", "-c:v", "png", path)
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			return data
		}},
		"ELF": {want: ReasonNotAVideo, make: func(t *testing.T, _ string, _ *ffmpegtest.Canary) []byte {
			data, err := os.ReadFile("/bin/true")
			require.NoError(t, err)
			return data
		}},
		"random bytes": {want: ReasonNotAVideo, make: func(*testing.T, string, *ffmpegtest.Canary) []byte {
			r, data := rand.New(rand.NewPCG(1, 2)), make([]byte, 1<<20) //nolint:gosec // the same each time
			for i := range data {
				data[i] = byte(r.Uint32())
			}
			return data
		}},
		"HTML":           other("<!DOCTYPE html><html><body><video src=\"file:///etc/passwd\"></video></body></html>"),
		"PHP":            other("<?php system($_GET['c']); ?>"),
		"PDF":            other("%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer << /Root 1 0 R >>\n"),
		"a shell script": other("#!/bin/sh\ntouch /tmp/x\n"),
	}
}
