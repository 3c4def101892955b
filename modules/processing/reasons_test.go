package processing

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"anb/platform/ffmpeg"
)

func TestReasons_AllSaySomethingToDo(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	permanent := 0
	for _, r := range Reasons() {
		require.Regexp(t, `^[A-Z_]+$`, r.Code())
		require.False(t, seen[r.Code()], "%s is there twice", r)
		seen[r.Code()] = true
		for _, m := range []string{r.Message(), contractLimits().Message(r)} {
			require.True(t, strings.HasSuffix(m, "."), "%s: %q", r, m)
			require.NotContains(t, m, string(r))
			require.Greater(t, len(strings.Fields(m)), 6, "%s: %q", r, m)
		}
		if r.Permanent() {
			permanent++
		}
	}
	require.Len(t, seen, 20)
	require.Equal(t, 14, permanent)
	require.Equal(t, "DURATION_TOO_SHORT", ReasonDurationTooShort.Code())
	require.NotEmpty(t, Reason("unheard_of").Message())
}

func TestFailure_FindsTheReason(t *testing.T) {
	t.Parallel()
	exit := func(tail string) error { return fmt.Errorf("run: %w", &ffmpeg.ExitError{Code: 1, Tail: tail}) }
	tests := map[string]struct {
		err  error
		want Reason
	}{
		"a deadline":            {context.DeadlineExceeded, ReasonTimeout},
		"our full disk":         {&fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}, ReasonNoSpace},
		"our quota":             {&fs.PathError{Op: "write", Path: "x", Err: syscall.EDQUOT}, ReasonNoSpace},
		"a missing file":        {fs.ErrNotExist, ReasonDurationUnknown},
		"an unreadable folder":  {&fs.PathError{Op: "open", Path: "x", Err: syscall.EACCES}, ReasonStorage},
		"ffmpeg's full disk":    {exit("x.mp4: No space left on device\n"), ReasonNoSpace},
		"a request to end":      {exit("Exiting normally, received signal 15.\n"), ReasonKilled},
		"its limit of CPU time": {&ffmpeg.ExitError{Code: 255, Signal: syscall.SIGXCPU}, ReasonTimeout},
		"its limit of memory":   {&ffmpeg.ExitError{Code: -1, Signal: syscall.SIGKILL, OutOfMemory: true}, ReasonKilled},
		"no memory":             {exit("Cannot allocate memory\n"), ReasonKilled},
		"anything else":         {exit("strange\n"), ReasonDurationUnknown},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := failure("do it", tt.err, ReasonDurationUnknown)
			f := requireReason(t, tt.want, err)
			require.ErrorIs(t, err, tt.err)
			require.ErrorContains(t, err, "do it")
			require.Same(t, f, failure("again", err, ReasonStorage), "a failure stays what it is")
		})
	}
	err := failure("do it", context.Canceled, ReasonStorage)
	require.ErrorIs(t, err, context.Canceled)
	require.False(t, errors.As(err, new(*Failure)))
	require.Equal(t, "truncated", (&Failure{Reason: ReasonTruncated}).Error())
}
