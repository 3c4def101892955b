package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// The events come from the real go test on small modules.
func TestReport_CountsWhatGoTestDid(t *testing.T) {
	t.Parallel()
	const head = "package x\n\nimport (\n\t\"os\"\n\t\"testing\"\n)\n\nvar (\n\t_ = os.Exit\n\t_ testing.TB\n)\n\n"
	tests := map[string]struct {
		code string
		want string
		good bool
		says string
	}{
		"a test and its subtests count once each": {
			code: head + `func TestA(t *testing.T) { t.Run("b", func(t *testing.T) {}); t.Run("c", func(t *testing.T) {}) }`,
			want: "3 passed, 0 failed, 0 skipped", good: true, says: "ok  ",
		},
		"a failure is told with what it said": {
			code: head + `func TestA(t *testing.T) { t.Run("b", func(t *testing.T) { t.Error("because of this") }) }`,
			want: "0 passed, 2 failed, 0 skipped", says: "because of this",
		},
		"a skipped test is not good, and told with its reason": {
			code: head + "func TestA(t *testing.T) { t.Skip(\"no such server\") }\nfunc TestB(t *testing.T) {}",
			want: "1 passed, 0 failed, 1 skipped", says: "no such server",
		},
		"a package that is not built is a failure": {
			code: head + "func TestA(t *testing.T) { undefined() }",
			want: "0 passed, 1 failed, 0 skipped", says: "undefined: undefined",
		},
		"a panic fails the test it happens in": {
			code: head + "func TestA(t *testing.T) {}\nfunc TestB(t *testing.T) { panic(\"out of order\") }",
			want: "1 passed, 1 failed, 0 skipped", says: "out of order",
		},
		"a process that ends midway fails the tests that were running": {
			code: head + `func TestA(t *testing.T) { t.Run("b", func(t *testing.T) { os.Exit(3) }) }`,
			want: "0 passed, 2 failed, 0 skipped", says: "FAIL x TestA/b",
		},
		"a failure outside of any test counts": {
			code: head + "func TestA(t *testing.T) {}\nfunc TestMain(m *testing.M) { m.Run(); println(\"left behind\"); os.Exit(1) }",
			want: "1 passed, 1 failed, 0 skipped", says: "left behind",
		},
		"no test at all is not good": {
			code: head, want: "0 passed, 0 failed, 0 skipped",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			r := newReport(&out)
			require.NoError(t, r.read(bytes.NewReader(events(t, test.code))))
			require.Equal(t, test.want, r.summary(), out.String())
			require.Equal(t, test.good, r.good())
			require.Contains(t, out.String(), test.says)
		})
	}
}

func events(t *testing.T, code string) []byte {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module x\n\ngo 1.26\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "x_test.go"), []byte(code), 0o600))
	cmd := exec.CommandContext(t.Context(), "go", "test", "-json", "./...")
	cmd.Dir = dir
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	return out
}

func TestReport_StreamCutMidwayIsNotGood(t *testing.T) {
	t.Parallel()
	const begun = `{"Action":"start","Package":"x"}
{"Action":"run","Package":"x","Test":"TestA"}
{"Action":"pass","Package":"x","Test":"TestA"}
`
	r := newReport(io.Discard)
	require.NoError(t, r.read(strings.NewReader(begun)))
	require.Equal(t, "1 passed, 1 failed, 0 skipped", r.summary())

	broken := errors.New("broken pipe")
	err := newReport(io.Discard).read(io.MultiReader(strings.NewReader(begun), iotest.ErrReader(broken)))
	require.ErrorIs(t, err, broken)
}

func TestReport_PassesOnWhatIsNoEvent(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	r := newReport(&out)
	require.NoError(t, r.read(strings.NewReader("go: no such module\n[1, 2]\n{\"Action\":\"pass\",\"Package\":\"x\",\"Test\":\"TestA\"}")))
	require.Contains(t, out.String(), "go: no such module\n[1, 2]\n")
	require.True(t, r.good())
}

func TestCoverage_IsTheTotalOfTheProfile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	profile := filepath.Join(dir, "coverage.out")
	lines := "mode: atomic\nanb/cmd/internal/testreport/main.go:15.13,17.2 3 1\nanb/cmd/internal/testreport/main.go:18.13,19.2 1 0\n"
	require.NoError(t, os.WriteFile(profile, []byte(lines), 0o600))
	total, err := coverage(profile)
	require.NoError(t, err)
	require.Equal(t, "75.0%", total)

	_, err = coverage(filepath.Join(dir, "none"))
	require.ErrorContains(t, err, "read coverage of ")
}

func TestReport_WantsTheTestsThatADocumentNames(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		text  string
		lacks bool
	}{
		"those that passed":       {"`TestA` and `TestA/b`", false},
		"one that did not":        {"`TestA` and `TestB_DoesMore`", true},
		"a case that there isn't": {"`TestA/c`", true},
		"one that failed":         {"`TestF`", true},
		"none":                    {"no test at all", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			r := newReport(&out)
			require.NoError(t, r.read(strings.NewReader(`{"Action":"pass","Package":"x","Test":"TestA"}
{"Action":"pass","Package":"x","Test":"TestA/b"}
{"Action":"fail","Package":"x","Test":"TestF"}
`)))
			document := filepath.Join(t.TempDir(), "X.md")
			require.NoError(t, os.WriteFile(document, []byte(tt.text), 0o600))
			require.Equal(t, tt.lacks, r.lacks(document), out.String())
		})
	}
	require.True(t, newReport(io.Discard).lacks(filepath.Join(t.TempDir(), "gone")))
}
