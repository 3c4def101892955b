package processing

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	benchFile  = flag.String("video.json", "", "where BenchmarkVideo writes what it measured")
	benchQuick = flag.Bool("video.quick", false, "measure roughly: a shorter clip, one round; marked so in the file")
)

// BenchmarkVideo measures what a published video costs, against the floor
// (decoding and x264 alone) and against other ways to make it. It is one long
// measurement of its own, so it wants -benchtime 1x, and an idle machine:
// its times are of the processor, but memory and clock are shared.
func BenchmarkVideo(b *testing.B) {
	for range b.N {
		began := time.Now()
		l := newLab(b)
		report := l.describe()
		report.Clip = l.clipFacts()
		report.Floor = l.floor()
		report.Pairs = l.pairs()
		report.Ways = l.ways()
		report.Two = l.two()
		report.Memory = l.memory()
		report.Changes = l.changes()
		report.Seconds = int(time.Since(began).Seconds())
		report.finish()
		report.print(os.Stderr)
		b.ReportMetric(report.Pairs.Ratio, "cpu/floor")
		if *benchFile != "" {
			require.NoError(b, report.write(*benchFile))
			fmt.Fprintln(os.Stderr, "written to", *benchFile)
		}
	}
}

// size is how much is measured.
type size struct {
	clip    time.Duration // of the body
	pairs   int           // of our job and its floor
	rounds  int           // of everything else
	two     time.Duration // of the body when two jobs run at once
	excerpt int64         // frames on which single changes are tried
	odd     float64       // seconds of the 4K clip
}

func sizeOf(quick bool) size {
	if quick {
		return size{clip: 5 * time.Second, pairs: 1, rounds: 1, two: 5 * time.Second, excerpt: 60, odd: 1}
	}
	return size{clip: 30 * time.Second, pairs: 5, rounds: 3, two: 15 * time.Second, excerpt: 150, odd: 2}
}
