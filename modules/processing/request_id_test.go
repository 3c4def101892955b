package processing

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/platform/database"
	"anb/platform/ffmpeg/ffmpegtest"
	"anb/platform/logging"
)

// heard reads log lines that New wrote to b, and empties it.
func heard(t *testing.T, b *bytes.Buffer) (lines []map[string]any) {
	t.Helper()
	for d := json.NewDecoder(b); d.More(); {
		var line map[string]any
		require.NoError(t, d.Decode(&line))
		lines = append(lines, line)
	}
	return lines
}

// listening is a logger of everything, as JSON, into b.
func listening(b *bytes.Buffer) *slog.Logger {
	return logging.New(b, logging.Config{Level: "debug", Format: "json"})
}

func TestRequestID_OfAnUploadIsInEveryLineAboutItsJob(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := newBench(t, d, func(context.Context, Job, Report) (Output, error) { return Output{}, &Failure{Reason: ReasonKilled} })
		var log bytes.Buffer
		b.Log = listening(&log)
		b.client.log = b.Log
		stored := func(task uuid.UUID) *string {
			var row jobRow
			require.NoError(t, d.Read(t.Context()).Where("id = ?", task).Take(&row).Error)
			return row.RequestID
		}
		ours, err := b.client.Enqueue(logging.WithRequestID(t.Context(), "upload-0001"), uuid.New())
		require.NoError(t, err)
		nobodys, _ := b.enqueue(t)
		require.Equal(t, "upload-0001", *stored(ours))
		require.Nil(t, stored(nobodys), "as an older version makes them")

		b.Handle(t.Context(), ours.String())
		b.makeDue(t, ours)
		_, ok, err := b.claim(t.Context(), ours)
		require.NoError(t, err)
		require.True(t, ok)
		b.expire(t, ours)
		require.NoError(t, b.Sweep(t.Context()))
		said := map[string]bool{}
		for _, line := range heard(t, &log) {
			if line["task_id"] == ours.String() {
				require.Equal(t, "upload-0001", line["request_id"], "%v", line)
				said[line["msg"].(string)] = true
			}
		}
		for _, msg := range []string{"job queued, worker woken", "job started", "attempt failed", "lease expired: its worker fell silent"} {
			require.True(t, said[msg], "%s of %v", msg, said)
		}

		b.Handle(t.Context(), nobodys.String())
		for _, line := range heard(t, &log) {
			require.NotContains(t, line, "request_id")
		}
	})
}

func TestEncode_TellsOfEachRunOfFfmpegWithTheRequestID(t *testing.T) {
	t.Parallel()
	ctx := logging.WithRequestID(t.Context(), "upload-0002")
	run := func(e *Encoder, job string) []map[string]any {
		t.Helper()
		var log bytes.Buffer
		clip := ffmpegtest.Clip(t, ffmpegtest.Spec{Source: "testsrc2=s=320x240:r=30:d=2"})
		source, err := smallInspector(t).Inspect(t.Context(), clip)
		require.NoError(t, err)
		_, _ = e.Encode(ctx, Job{Path: clip, Source: source, Dir: t.TempDir(), Log: listening(&log).With(slog.String("task_id", job))}, nil)
		lines := heard(t, &log)
		for _, line := range lines {
			require.Equal(t, "upload-0002", line["request_id"], "%v", line)
			require.Equal(t, job, line["task_id"])
		}
		return lines
	}
	broken := run(withTools(t, `exit 7`, nil), "broken")
	require.Len(t, broken, 2)
	require.Equal(t, "ffmpeg started", broken[0]["msg"])
	require.Equal(t, []any{"ffmpeg ended", software, "error", 7.0}, []any{broken[1]["msg"], broken[1]["codec"], broken[1]["exit"], broken[1]["exit_code"]})

	well := run(smallEncoder(t), filepath.Base(t.Name()))
	require.Len(t, well, 4)
	require.Equal(t, []any{software, "copy"}, []any{well[1]["codec"], well[3]["codec"]})
	for _, line := range []map[string]any{well[1], well[3]} {
		require.Equal(t, []any{"ffmpeg ended", "ok"}, []any{line["msg"], line["exit"]})
		require.Positive(t, line["took"])
	}
}
