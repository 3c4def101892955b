//go:build e2e

// Package e2e drives the built binary as its users do: over HTTP, with signals,
// on real PostgreSQL, Redis and ffmpeg.
package e2e

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
)

var built struct {
	dir         string
	race, plain sync.Once
	raceErr     error
	plainErr    error
}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "anb-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	built.dir = dir
	flag.Parse()
	// Most tests here wait: for processes, and for what was broken to come back.
	if p := flag.Lookup("test.parallel"); p.Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		if err := p.Value.Set(strconv.Itoa(2 * runtime.GOMAXPROCS(0))); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	code := dbtest.Main(m)
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// binary returns the path of anb, built with the race detector and with crash
// points, which do nothing unless a variable arms one.
func binary(t *testing.T) string {
	t.Helper()
	path := filepath.Join(built.dir, "anb-race")
	built.race.Do(func() { built.raceErr = build(path, "1", "-race", "-tags=crashpoints") })
	require.NoError(t, built.raceErr)
	return path
}

// release returns the path of anb as it is shipped, for measurements.
func release(t *testing.T) string {
	t.Helper()
	path := filepath.Join(built.dir, "anb")
	built.plain.Do(func() { built.plainErr = build(path, "0", "-trimpath") })
	require.NoError(t, built.plainErr)
	return path
}

func build(path, cgo string, flags ...string) error {
	cmd := exec.Command("go", append(append([]string{"build"}, flags...), "-o", path, "anb")...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED="+cgo)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w: %s", err, out)
	}
	return nil
}
