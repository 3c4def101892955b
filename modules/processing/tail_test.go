package processing

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/platform/database"
)

func TestTail_KeepsTheLastLines(t *testing.T) {
	t.Parallel()
	var short, long tail
	for n := range 600 {
		short.line(fmt.Sprint("line ", n))
		long.line(strings.Repeat("x", 1<<10) + fmt.Sprint(n))
	}
	require.Equal(t, tailLines, strings.Count(short.text(), "\n"))
	require.True(t, strings.HasPrefix(short.text(), "line 100\n"))
	require.True(t, strings.HasSuffix(short.text(), "line 599\n"))
	require.LessOrEqual(t, len(long.text()), tailBytes)
	require.Greater(t, len(long.text()), tailBytes-2<<10)
	require.True(t, strings.HasSuffix(long.text(), "x599\n"))
}

func TestTail_TellsWhatIsNewAndAddsNothingTwice(t *testing.T) {
	t.Parallel()
	var l tail
	require.Empty(t, l.text())
	l.line("a")
	l.line("b")
	text, n := l.since(0)
	require.Equal(t, "a\nb\n", text)
	require.Equal(t, 2, n)
	text, n = l.since(n)
	require.Empty(t, text)
	require.Equal(t, 2, n)
	l.add("b\n")
	l.add("")
	require.Equal(t, "a\nb\n", l.text())
	l.add("c\nd\n")
	require.Equal(t, "a\nb\nc\nd\n", l.text())
}

// stderr returns what is kept of ffmpeg's words in the latest attempt.
func (b *bench) stderr(t *testing.T, id uuid.UUID) (text string) {
	t.Helper()
	require.NoError(t, b.DB.Read(t.Context()).Table("job_attempts").Select("stderr_tail").Where("job_id = ?", id).
		Order("fence DESC").Limit(1).Scan(&text).Error)
	return text
}

func TestWorker_KeepsWhatFFmpegSays(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		err  error
		stop bool
		want string
	}{
		"when it ends well":              {want: "one\ntwo\n"},
		"when it fails and says so":      {err: &Failure{Reason: ReasonKilled, Tail: "two\n"}, want: "one\ntwo\n"},
		"when another program fails":     {err: &Failure{Reason: ReasonKilled, Tail: "the probe\x00 failed\n"}, want: "one\ntwo\nthe probe failed\n"},
		"when it fails without words":    {err: errors.New("odd"), want: "one\ntwo\n"},
		"when its worker is told to end": {stop: true, want: "one\ntwo\n"},
	}
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		for name, tt := range tests {
			t.Run(name, func(t *testing.T) {
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				var b *bench
				var task uuid.UUID
				b = newBench(t, d, func(ctx context.Context, j Job, report Report) (Output, error) {
					j.OnLine("one")
					require.Eventually(t, func() bool { return b.stderr(t, task) == "one\n" }, 20*time.Second, 5*time.Millisecond, "while it runs")
					j.OnLine("two")
					if tt.stop {
						stop()
						return Output{}, context.Canceled
					}
					if tt.err != nil {
						return Output{}, tt.err
					}
					return made(ctx, j, report)
				})
				task, _ = b.enqueue(t)
				b.Handle(ctx, task.String())
				require.Equal(t, tt.want, b.stderr(t, task))
			})
		}
	})
}

func TestStore_WhatFFmpegSaidOutlivesItsWorker(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := newBench(t, d, nil)
		task, _ := b.enqueue(t)
		c, ok, err := b.claim(t.Context(), task)
		require.NoError(t, err)
		require.True(t, ok)
		require.NoError(t, b.store.keepWords(t.Context(), c, "last words\n", "ffmpeg -y"))

		b.expire(t, task) // it was killed
		require.NoError(t, b.Sweep(t.Context()))
		require.Equal(t, []string{"lost"}, b.outcomes(t, task))
		require.Equal(t, "last words\n", b.stderr(t, task))

		require.NoError(t, b.store.keepWords(t.Context(), c, "from the grave\n", ""))
		require.Equal(t, "last words\n", b.stderr(t, task), "an attempt that has ended stays as it is")
	})
}

func TestEncode_TellsWhatFFmpegSays(t *testing.T) {
	t.Parallel()
	var lines []string
	e := withTools(t, `echo first >&2; printf 'second\033[31m\n' >&2; exit 1`, nil)
	_, err := e.Encode(t.Context(), Job{
		Path: "unused", Source: accepted(), Dir: t.TempDir(), OnLine: func(l string) { lines = append(lines, l) },
	}, nil)
	f := requireReason(t, ReasonEncoderFailed, err)
	require.Equal(t, []string{"first", "second"}, lines)
	require.Equal(t, "first\nsecond\n", f.Tail)
}
