package ffmpeg

import (
	"strconv"
	"strings"
	"time"
)

// Progress is one report of ffmpeg. What it does not know is zero.
type Progress struct {
	Frame     int64
	FPS       float64       // frames per second of wall time
	Speed     float64       // 1 is real time
	OutTime   time.Duration // how much of the output is written
	TotalSize int64         // bytes
	End       bool          // the last report
}

// progressParser reads the key=value lines of -progress; a line with the key
// progress completes a report.
type progressParser struct {
	report func(Progress)
	now    Progress
}

func newProgressParser(report func(Progress)) *progressParser {
	return &progressParser{report: report}
}

func (p *progressParser) line(s string) {
	key, value, ok := strings.Cut(s, "=")
	if !ok {
		return
	}
	value = strings.TrimSpace(value)
	switch key {
	case "frame":
		p.now.Frame = count(value)
	case "fps":
		p.now.FPS = number(value)
	case "speed":
		p.now.Speed = number(strings.TrimSuffix(value, "x"))
	case "out_time_us":
		p.now.OutTime = microseconds(value)
	case "total_size":
		p.now.TotalSize = count(value)
	case "progress":
		p.now.End = value == "end"
		if p.report != nil {
			p.report(p.now)
		}
	}
}

// count reads a whole number that is not negative; anything else is 0.
func count(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}
