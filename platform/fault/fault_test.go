package fault_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/platform/fault"
)

func TestError_CopiesKeepTheIdentityOfTheSentinel(t *testing.T) {
	t.Parallel()
	sentinel := fault.New(fault.NotFound, "THING_NOT_FOUND", "No existe.")
	cause := errors.New("sql: no rows")

	err := fmt.Errorf("load thing: %w", sentinel.Because(cause).With(fault.Field{Field: "id"}).After(time.Second))

	require.ErrorIs(t, err, sentinel)
	require.ErrorIs(t, err, cause)
	require.NotErrorIs(t, err, fault.New(fault.NotFound, "OTHER", ""))
	require.NotErrorIs(t, err, fault.New(fault.Invalid, "THING_NOT_FOUND", ""))
	require.Empty(t, sentinel.Fields, "a sentinel is never changed")
	require.Zero(t, sentinel.RetryAfter)
	require.NoError(t, errors.Unwrap(sentinel))
}

func TestValidation_SpeaksWithTheFirstFieldsSentence(t *testing.T) {
	t.Parallel()
	require.NoError(t, fault.Validation(nil))

	err := fault.Validation([]fault.Field{{Field: "a", Message: "Falta a."}, {Field: "b", Message: "Falta b."}})

	var f *fault.Error
	require.ErrorAs(t, err, &f)
	require.Equal(t, "Falta a.", f.Message)
	require.Len(t, f.Fields, 2)
	require.Equal(t, "Hay campos inválidos en la solicitud.", fault.ErrValidation.Message)
}
