package dbtest_test

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

func TestDurable_KeepsWhatItAcknowledged(t *testing.T) {
	t.Parallel()
	s := dbtest.StartDurable(t)
	d := dbtest.Open(t, s.Create("kept"), false)
	require.NoError(t, d.Write(t.Context()).Exec("CREATE TABLE t (n int)").Error)
	for n, end := range []func() error{s.Kill, s.Quit} {
		require.NoError(t, d.Write(t.Context()).Exec("INSERT INTO t VALUES (?)", n).Error)
		_ = end() // how it exits is PostgreSQL's own affair
		require.Error(t, d.Ping(t.Context()))
		s.Launch()
		var rows int64
		require.Eventually(t, func() bool { return d.Read(t.Context()).Table("t").Count(&rows).Error == nil }, 10*time.Second, 20*time.Millisecond)
		require.EqualValues(t, n+1, rows)
	}
}
