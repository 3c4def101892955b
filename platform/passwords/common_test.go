package passwords

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCommon_KnowsTheListAndTheWordsOfItsCaller(t *testing.T) {
	t.Parallel()
	for _, p := range []string{"password", "ChangeMe1234", "4dm1n!", "123456789", "qwerty"} {
		require.True(t, Common(p, ""), p)
	}
	require.False(t, Common("showcase2025", ""))
	require.True(t, Common("showcase2025", "# ours\n\nshowcase\n"))
	require.False(t, Common("ours", "# ours\n"), "a comment is no word")
	require.False(t, Common("", "\n"))
}

func TestCost_HashesTheSameWithTheSameSalt(t *testing.T) {
	t.Parallel()
	c := cheap().Cost
	salt := []byte("0123456789abcdef")
	require.Equal(t, c.Hash("secret", salt), c.Hash("secret", salt))
	require.NotEqual(t, c.Hash("secret", nil), c.Hash("secret", nil), "a salt of its own")
	require.NoError(t, Check(c.Hash("secret", nil)))
	require.ErrorIs(t, Check("secret"), ErrHash)
	ok, stale, err := New(cheap()).Verify(t.Context(), "secret", c.Hash("secret", salt))
	require.NoError(t, err)
	require.True(t, ok)
	require.False(t, stale)
}

func TestDummy_IsNoPasswordsHashAndCostsAsMuch(t *testing.T) {
	t.Parallel()
	h := New(cheap())
	ok, stale, err := h.Verify(t.Context(), "secret", h.Dummy())
	require.NoError(t, err)
	require.False(t, ok)
	require.False(t, stale)
}
