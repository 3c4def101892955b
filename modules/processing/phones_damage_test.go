package processing

import (
	"bytes"
	"testing"

	"anb/platform/ffmpeg/ffmpegtest"
)

// damagePhones are files that broke on the way. How much is too much is
// measured by TestDamage.
func damagePhones() []phone {
	return []phone{
		{group: "Damage", input: "cut off before its index", refused: ReasonNotAVideo, make: shot{behind: true, then: steps{cut(0.6)}}.make, reports: []string{"livepeer/go-livepeer#1496"}},
		{group: "Damage", input: "cut off after half", refused: ReasonTruncated, later: true, make: shot{then: steps{cut(0.5)}}.make, reports: []string{"PeerTube#4500"}},
		{group: "Damage", input: "cut off after 60 %", refused: ReasonTruncated, later: true, make: shot{then: steps{cut(0.6)}}.make},
		{group: "Damage", input: "cut off after 99 %, within the last picture", make: shot{silent: true, then: steps{lastCut}}.make, errors: true, count: 59},
		{group: "Damage", input: "the first key picture is missing", refused: ReasonCorruptStream, later: true, make: shot{silent: true, then: steps{firstCleared}}.make},
		{group: "Damage", input: "all pictures are zeros", refused: ReasonCorruptStream, later: true, make: shot{silent: true, then: steps{mediaCleared}}.make},
		{group: "Damage", input: "no sample where the index says (offsets beyond the end)", refused: ReasonTruncated, later: true, make: shot{silent: true, behind: true, then: steps{emptied}}.make},
	}
}

func cut(part float64) func(*testing.T, string) string {
	return func(t *testing.T, path string) string {
		t.Helper()
		return ffmpegtest.Truncated(t, path, part)
	}
}

// media is what the mdat box of a file holds.
func media(data []byte) []byte {
	at := bytes.Index(data, []byte("mdat"))
	return data[at+4:]
}

func firstCleared(t *testing.T, path string) string {
	t.Helper()
	return ffmpegtest.Patched(t, path, func(d []byte) []byte {
		size := firstPacketSize(t, path)
		clear(media(d)[:size])
		return d
	})
}

func mediaCleared(t *testing.T, path string) string {
	t.Helper()
	return ffmpegtest.Patched(t, path, func(d []byte) []byte {
		clear(media(d))
		return d
	})
}

// emptied leaves the index and takes the pictures away.
func emptied(t *testing.T, path string) string {
	t.Helper()
	return ffmpegtest.Patched(t, path, func(d []byte) []byte {
		index := ffmpegtest.Box(t, d, "moov")
		return append(append([]byte{}, ffmpegtest.Box(t, d, "ftyp")...), index...)
	})
}

func firstPacketSize(t *testing.T, path string) int {
	t.Helper()
	sizes := packetSizes(t, path)
	return sizes[0]
}

// lastCut ends the file in the middle of its last picture.
func lastCut(t *testing.T, path string) string {
	t.Helper()
	sizes := packetSizes(t, path)
	return ffmpegtest.Patched(t, path, func(d []byte) []byte { return d[:len(d)-sizes[len(sizes)-1]/2] })
}
