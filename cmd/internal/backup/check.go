package backup

import (
	"bytes"
	"context"
	"io"
	"log/slog"
)

// Check reads an archive wholly and writes nothing. It fails with ErrDamaged or
// ErrVersion; whether its rows fit a database only a restore tells.
func Check(ctx context.Context, r io.Reader, log *slog.Logger) (Summary, error) {
	m, t, err := read(ctx, r, &pulse{log: log}, checker{})
	if err != nil {
		return Summary{}, err
	}
	return summary(m, t), nil
}

// checker counts rows and throws everything away.
type checker struct{}

var _ sink = checker{}

func (checker) begin(context.Context, manifest) error { return nil }
func (checker) loaded(context.Context) error          { return nil }

// table counts lines: COPY writes a row as one.
func (checker) table(_ context.Context, _ table, rows io.Reader) (int64, error) {
	var n lines
	_, err := io.Copy(&n, rows)
	return int64(n), err
}

type lines int64

func (l *lines) Write(p []byte) (int, error) {
	*l += lines(bytes.Count(p, []byte{'\n'}))
	return len(p), nil
}

func (checker) file(_ context.Context, _, _ string, _ int64, content io.Reader) error {
	_, err := io.Copy(io.Discard, content)
	return err
}
