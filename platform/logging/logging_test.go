package logging_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"anb/platform/logging"
)

func TestConfig_ValidateNamesEveryProblem(t *testing.T) {
	t.Parallel()
	for _, level := range []string{"debug", "info", "warn", "error", "INFO"} {
		require.NoError(t, logging.Config{Level: level, Format: "json"}.Validate())
	}
	err := logging.Config{Level: "loud", Format: "xml"}.Validate()
	require.ErrorContains(t, err, "ANB_LOG_LEVEL")
	require.ErrorContains(t, err, "ANB_LOG_FORMAT")
	require.Error(t, logging.Config{}.Validate())
}

func TestNew_AddsTheRequestIDOfTheContext(t *testing.T) {
	t.Parallel()
	ctx := logging.WithRequestID(t.Context(), "r-1")
	var b bytes.Buffer
	log := logging.New(&b, logging.Config{Level: "info", Format: "json"})
	line := func() (m map[string]any) {
		t.Helper()
		require.NoError(t, json.Unmarshal(b.Bytes(), &m))
		b.Reset()
		return m
	}
	log.InfoContext(ctx, "plain")
	require.Equal(t, "r-1", line()["request_id"])
	log.With(slog.String("role", "serve")).InfoContext(ctx, "with more")
	m := line()
	require.Equal(t, "r-1", m["request_id"])
	require.Equal(t, "serve", m["role"])
	log.WithGroup("g").InfoContext(ctx, "grouped", slog.Int("n", 1))
	require.Contains(t, line(), "g")
	log.InfoContext(t.Context(), "none")
	require.NotContains(t, line(), "request_id")
	require.Empty(t, logging.RequestID(t.Context()))
}

func TestNew_LeavesOutWhatIsBelowItsLevel(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	log := logging.New(&b, logging.Config{Level: "warn", Format: "text"})
	log.Info("quiet")
	require.Empty(t, b.String())
	log.Warn("heard")
	require.Contains(t, b.String(), "level=WARN msg=heard")
}
