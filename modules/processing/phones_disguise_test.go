package processing

import (
	"math/rand/v2"
	"testing"

	"anb/platform/ffmpeg/ffmpegtest"
)

// disguisePhones are other things with the name of a video. That none of them
// reads, writes or connects is another test's.
func disguisePhones() []phone {
	lfi := []string{"youtube-dl#8227", "HackerOne 242831", "swisskyrepo/PayloadsAllTheThings#5", "nodecast-tv PR#138"}
	refused := func(input string, reason Reason, make maker, reports ...string) phone {
		return phone{group: "Disguised", input: input, refused: reason, make: make, reports: reports}
	}
	noise := func() string {
		r, data := rand.New(rand.NewPCG(1, 2)), make([]byte, 1<<20) //nolint:gosec // not a secret
		for i := range data {
			data[i] = byte(r.Uint32())
		}
		return string(data)
	}
	return []phone{
		refused("text", ReasonNotAVideo, written("esto no es un video\n")),
		refused("a web page", ReasonNotAVideo, written("<!DOCTYPE html><html><body>hola</body></html>")),
		refused("a script in PHP", ReasonNotAVideo, written("<?php system($_GET['c']); ?>")),
		refused("random bytes", ReasonNotAVideo, written(noise())),
		refused("a program (ELF)", ReasonNotAVideo, written("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x3e\x00")),
		refused("a ZIP archive", ReasonNotAVideo, written("PK\x03\x04\x14\x00\x00\x00\x08\x00clip.txt")),
		refused("a PDF", ReasonNotAVideo, written("%PDF-1.4\n1 0 obj\n<<>>\nendobj\n")),
		refused("only the first 32 bytes of an MP4", ReasonNotAVideo, written("\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41")),
		refused("an HLS playlist of another's file", ReasonContainerNotAllowed, pointing(ffmpegtest.Playlist), lfi...),
		refused("an HLS playlist of an address", ReasonContainerNotAllowed, written("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n"), lfi...),
		refused("an ffconcat script of another's file", ReasonContainerNotAllowed, pointing(ffmpegtest.ConcatScript), lfi...),
		refused("a DASH manifest", ReasonContainerNotAllowed, written("<?xml version=\"1.0\"?>\n<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" profiles=\"urn:mpeg:dash:profile:isoff-live:2011\"><Period/></MPD>\n"), lfi...),
		refused("a session description (SDP)", ReasonContainerNotAllowed, written("v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9000 RTP/AVP 96\na=rtpmap:96 H264/90000\n"), lfi...),
		refused("a drawing (SVG)", ReasonContainerNotAllowed, written("<?xml version=\"1.0\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"9\"></svg>\n")),
		refused("a picture (PNG)", ReasonContainerNotAllowed, still("png", "image2")),
		refused("a picture (JPEG)", ReasonContainerNotAllowed, still("mjpeg", "image2")),
		refused("a moving picture (GIF)", ReasonContainerNotAllowed, still("gif", "gif")),
		refused("a song with a cover (MP3)", ReasonContainerNotAllowed, coverOnly("mp3"), "PeerTube#4002"),
	}
}

// still is one picture in a file with a video's name.
func still(codec, format string) maker {
	return func(t *testing.T, dir string) string {
		t.Helper()
		return produced("-f", "lavfi", "-i", "testsrc2=s=320x180", "-frames:v", "1", "-c:v", codec, "-f", format)(t, dir)
	}
}

// pointing makes a script that names a real video elsewhere.
func pointing(script func(testing.TB, string) string) maker {
	return func(t *testing.T, dir string) string {
		t.Helper()
		return script(t, shot{name: "private.mp4"}.make(t, dir))
	}
}
