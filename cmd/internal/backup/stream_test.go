package backup

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestStream_EndsWithItsContextAlthoughNothingMoves(t *testing.T) {
	t.Parallel()
	for name, move := range map[string]func(r, w *Stream) error{
		"read": func(r, _ *Stream) error {
			_, err := r.Read(make([]byte, 1))
			return err
		},
		"write": func(_, w *Stream) error {
			_, err := w.Write(make([]byte, 1<<20)) // more than a pipe holds
			return err
		},
	} {
		r, w, err := os.Pipe()
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		from, err := NewStream(ctx, r)
		require.NoError(t, err)
		to, err := NewStream(ctx, w)
		require.NoError(t, err)
		ended := make(chan error, 1)
		go func() { ended <- move(from, to) }()
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled, name)
		require.NoError(t, r.Close())
		require.NoError(t, w.Close())
	}
}

func TestStream_MovesEveryByteThroughAPipe(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	from, err := NewStream(t.Context(), r)
	require.NoError(t, err)
	to, err := NewStream(t.Context(), w)
	require.NoError(t, err)
	data := bytes.Repeat([]byte("anb backup "), 50_000)
	wrote := make(chan error, 1)
	go func() {
		n, err := to.Write(data)
		if err == nil && n != len(data) {
			err = io.ErrShortWrite
		}
		wrote <- err
		_ = w.Close()
	}()
	got, err := io.ReadAll(from)
	require.NoError(t, err)
	require.NoError(t, <-wrote)
	require.True(t, bytes.Equal(data, got))
	require.NoError(t, r.Close())
}

func TestPulse_TellsHowFarLongWorkIs(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := &pulse{log: slog.New(slog.NewJSONHandler(&out, nil)), files: 3}
	p.moved(t.Context(), 10)
	require.Empty(t, out.String(), "it has just begun")
	p.next = time.Now()
	p.moved(t.Context(), 5)
	require.Contains(t, out.String(), `"files":3,"bytes":15`)
}
