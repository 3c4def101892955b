package ffmpeg

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"
)

// maxProbeBytes bounds ffprobe's answer; 64 streams with long tags stay below.
const maxProbeBytes = 4 << 20

// Probe looks at the file path, which must be a demuxer of formats (names as
// ffmpeg spells them: mov, matroska) by content, whatever it is called, and
// which may not refer to any other file. It takes at most ProbeTimeout, then
// the error is context.DeadlineExceeded. A file that ffprobe refuses gives an
// *ExitError whose Tail says why.
//
// Nothing in the answer is to be trusted: all of it was written by whoever
// made the file. Values that are missing or absurd are zero.
func (t *Tools) Probe(ctx context.Context, path string, formats []string) (Info, error) {
	ctx, cancel := context.WithTimeout(ctx, ProbeTimeout)
	defer cancel()
	answer, err := t.ask(ctx, path, append(Guards(formats), "-v", "error", "-show_format", "-show_streams", "-show_data_hash", "sha256", "-of", "json", "-i", "file:"+path))
	if err != nil {
		return Info{}, fmt.Errorf("probe file: %w", err)
	}
	info, err := parseInfo([]byte(answer))
	if err != nil {
		return Info{}, fmt.Errorf("read answer of ffprobe: %w", err)
	}
	return info, nil
}

// ask runs ffprobe on one file. The child may open the file that was there when
// it was confined; where another took its place meanwhile, it is asked again.
func (t *Tools) ask(ctx context.Context, path string, args []string) (string, error) {
	const attempts = 3
	for left := attempts - 1; ; left-- {
		before, _ := os.Stat(path)
		out := &capped{limit: maxProbeBytes}
		_, err := t.run(ctx, job{program: t.ffprobe, args: args, reads: []string{path}, limits: t.limits.probing(), stdout: out})
		if after, _ := os.Stat(path); err == nil || left == 0 || after == nil || before != nil && os.SameFile(before, after) {
			return out.String(), err
		}
	}
}

// Guards returns the input options that keep a foreign file from naming other
// files or addresses and from exhausting memory. They go before -i.
func Guards(formats []string) []string {
	return []string{
		"-max_streams", "64", "-probesize", "32M", "-analyzeduration", "10M",
		"-protocol_whitelist", "file,pipe", "-format_whitelist", strings.Join(formats, ","),
	}
}

// Extent is what the packets of a stream really cover.
type Extent struct {
	Packets int64
	First   time.Duration // presentation time of the first frame
	End     time.Duration // when the last frame ends
}

// Duration is the time between the first frame and the end of the last.
func (e Extent) Duration() time.Duration { return max(0, e.End-e.First) }

// Scan reads the times of all packets of the stream with the given index. It
// is for files whose header does not tell the duration, and takes at most
// ProbeTimeout.
func (t *Tools) Scan(ctx context.Context, path string, formats []string, stream int) (Extent, error) {
	ctx, cancel := context.WithTimeout(ctx, ProbeTimeout)
	defer cancel()
	first, end, packets := time.Duration(math.MaxInt64), time.Duration(math.MinInt64), int64(0)
	each := func(line string) {
		pts, duration, _ := strings.Cut(strings.TrimRight(line, ","), ",")
		if _, err := strconv.ParseFloat(pts, 64); err != nil {
			return
		}
		at := seconds(pts)
		first = min(first, at)
		end = max(end, at+max(0, seconds(duration)))
		packets++
	}
	out := &lines{each: each}
	args := append(Guards(formats), "-v", "error", "-select_streams", strconv.Itoa(stream),
		"-show_entries", "packet=pts_time,duration_time", "-of", "csv=p=0", "-i", "file:"+path)
	if _, err := t.run(ctx, job{program: t.ffprobe, args: args, reads: []string{path}, limits: t.limits.probing(), stdout: out}); err != nil {
		return Extent{}, fmt.Errorf("scan packets of stream %d: %w", stream, err)
	}
	out.flush()
	if packets == 0 {
		return Extent{}, nil
	}
	return Extent{Packets: packets, First: first, End: end}, nil
}

// parseInfo uses the lenient decoder of the standard library on purpose: a
// file may hold the same tag twice, and bytes that are not UTF-8.
func parseInfo(data []byte) (Info, error) {
	var raw rawInfo
	if err := json.Unmarshal(data, &raw); err != nil {
		return Info{}, err
	}
	return raw.info(), nil
}
