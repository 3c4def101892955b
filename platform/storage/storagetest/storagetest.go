// Package storagetest has the tests that every storage.Store must pass.
package storagetest

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"anb/platform/storage"
)

// Run tests the stores that open returns; each call must return an empty one,
// which the suite closes.
func Run(t *testing.T, open func(t *testing.T) storage.Store) {
	t.Helper()
	tests := map[string]func(*testing.T, storage.Store){
		"leaves nothing when the reader fails":           readerFails,
		"leaves nothing when the context ends":           contextEnds,
		"keeps the first object of a key":                sameKey,
		"keeps the first large object of a key":          sameKeyLarge,
		"lets one of many writers of a key win":          sameKeyAtOnce,
		"lets one of some large writers of a key win":    sameKeyLargeAtOnce,
		"refuses bad keys everywhere":                    badKeys,
		"says what does not exist":                       missing,
		"discards at any time":                           discard,
		"puts no half file":                              putFails,
		"round trip":                                     roundTrip,
		"round trip of nothing and of much":              sizes,
		"stages where other programs can look":           stagedPath,
		"puts a local file":                              putFile,
		"fetches into the caller's folder or not at all": fetch,
		"describes objects":                              describes,
		"seeks and reads at every edge":                  seeks,
		"opens nothing once the context has ended":       readEnds,
		"deletes":                                 deletes,
		"lists by prefix":                         lists,
		"lists nothing that is only staged":       listsStaged,
		"takes thirty-two writers at once":        writers,
		"sweeps what the dead left, nothing else": sweeps,
		"is healthy":                              healthy,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			t.Cleanup(func() { require.NoError(t, s.Close()) })
			test(t, s)
		})
	}
}

// Put makes an object with the content, or fails the test.
func Put(t *testing.T, s storage.Store, key, content string) {
	t.Helper()
	require.NoError(t, put(t, s, key, content))
}

func put(t *testing.T, s storage.Store, key, content string) error {
	t.Helper()
	staged, err := s.Stage(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, staged.Discard()) }()
	_, err = io.WriteString(staged, content)
	require.NoError(t, err)
	return staged.Commit(t.Context(), key, "")
}

// Content returns what is in an object, or fails the test.
func Content(t *testing.T, s storage.Store, key string) string {
	t.Helper()
	o, err := s.Open(t.Context(), key)
	require.NoError(t, err)
	defer func() { require.NoError(t, o.Close()) }()
	b, err := io.ReadAll(o)
	require.NoError(t, err)
	require.Len(t, b, int(o.Info().Size))
	return string(b)
}

// Keys returns the keys that begin with prefix, or fails the test.
func Keys(t *testing.T, s storage.Store, prefix string) []string {
	t.Helper()
	keys := []string{}
	for info, err := range s.List(t.Context(), prefix) {
		require.NoError(t, err)
		keys = append(keys, info.Key)
	}
	return keys
}
