//go:build e2e

package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/platform/crash"
)

// faultReport is a whole run of the fault suite.
type faultReport struct {
	Digest  string        `json:"digest"` // SHA-256 of all this with an empty digest
	Commit  string        `json:"commit"`
	Date    string        `json:"date"`
	Machine string        `json:"machine"`
	Minutes float64       `json:"minutes"` // of the whole run
	Cases   []faultResult `json:"cases"`
	Points  []faultResult `json:"points"` // crash points, by name
}

// faultResult is what a case leaves for docs/RELIABILITY.md.
type faultResult struct {
	ID           string   `json:"id"`
	Fault        string   `json:"fault,omitempty"`
	Outcome      string   `json:"outcome,omitempty"`
	Proof        []string `json:"proof,omitempty"` // that the fault occurred
	Rounds       int      `json:"rounds"`          // of the fault
	Acknowledged int      `json:"acknowledged"`    // uploads, votes and deletions that a client saw accepted
	Lost         int      `json:"lost"`            // of those
	Doubled      int      `json:"doubled"`         // what was done twice
	Recovery     float64  `json:"recovery"`        // s: the longest from the end of a fault until its work was done; 0: at once
	Note         string   `json:"note,omitempty"`
}

// writeFaults keeps the results of a whole run, in the order of the cases and
// of the points.
func writeFaults(t *testing.T, began time.Time, cases, points []faultResult) {
	t.Helper()
	place := map[string]int{}
	for i, c := range faultCases() {
		place[c.id] = i
	}
	for i, p := range crash.Points() {
		place[string(p)] = i
	}
	order := func(a, b faultResult) int { return place[a.ID] - place[b.ID] }
	slices.SortFunc(cases, order)
	slices.SortFunc(points, order)
	said := func(name string, args ...string) string {
		out, err := exec.Command(name, args...).Output()
		require.NoError(t, err)
		return strings.TrimSpace(string(out))
	}
	ffmpeg, _, _ := strings.Cut(said("ffmpeg", "-version"), " Copyright")
	r := faultReport{
		Commit: said("git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"), Date: time.Now().UTC().Format(time.DateOnly),
		Machine: fmt.Sprintf("%d × %s, Linux %s, %s, %s", runtime.NumCPU(), processor(t), said("uname", "-r"), runtime.Version(), ffmpeg),
		Minutes: time.Since(began).Round(time.Minute).Minutes(), Cases: cases, Points: points,
	}
	sum := sha256.Sum256(r.encode(t))
	r.Digest = hex.EncodeToString(sum[:])
	require.NoError(t, os.WriteFile(*faultsJSON, r.encode(t), 0o644))
}

func (r faultReport) encode(t *testing.T) []byte {
	t.Helper()
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	require.NoError(t, e.Encode(r))
	return []byte(b.String())
}

func processor(t *testing.T) string {
	t.Helper()
	info, err := os.ReadFile("/proc/cpuinfo")
	require.NoError(t, err)
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}
