package docs_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"anb/platform/crash"
)

// faults are the rows that the fault suite must have: those of the product's
// list of faults, except the three of nginx and of the dashboard (F29, F30, F49),
// and R for what else was promised.
var faults = strings.Fields(`F1 F2 F3 F4 F5 F7 F8 F9 F10 F11 F13 F14 F15 F16 F17 F18 F20 F21 F23 F24 F25 F27 F31 F32 F33 F34 F35 F36
	F37 F38 F40 F41 F43 F44 F45 F47 F48 F51 R7 R10 R7b R7c`)

// experimentResult is one line of what the fault suite wrote.
type experimentResult struct {
	ID           string   `json:"id"`
	Fault        string   `json:"fault"`
	Outcome      string   `json:"outcome"`
	Proof        []string `json:"proof"`
	Rounds       int      `json:"rounds"`
	Acknowledged int      `json:"acknowledged"`
	Lost         int      `json:"lost"`
	Doubled      int      `json:"doubled"`
	Recovery     float64  `json:"recovery"`
	Note         string   `json:"note"`
}

type faultRun struct {
	Commit  string             `json:"commit"`
	Date    string             `json:"date"`
	Machine string             `json:"machine"`
	Minutes float64            `json:"minutes"`
	Cases   []experimentResult `json:"cases"`
	Points  []experimentResult `json:"points"`
}

// readFaults refuses what the suite did not write, and what is not all of it.
func readFaults(data []byte) (faultRun, error) {
	var r faultRun
	if err := json.Unmarshal(data, &r); err != nil {
		return r, fmt.Errorf("read results: %w", err)
	}
	if sealed(string(data)) != string(data) {
		return r, errors.New("the results were edited by hand; run: go tool task test:faults")
	}
	var ids, points, want []string
	for _, c := range r.Cases {
		ids = append(ids, c.ID)
		if len(c.Proof) == 0 {
			return r, fmt.Errorf("%s does not prove its fault", c.ID)
		}
	}
	for _, p := range r.Points {
		points = append(points, p.ID)
	}
	for _, p := range crash.Points() {
		want = append(want, string(p))
	}
	for _, c := range slices.Concat(r.Cases, r.Points) {
		if c.Lost != 0 || c.Doubled != 0 || c.Rounds < 1 {
			return r, fmt.Errorf("%s: %d rounds, %d lost, %d doubled", c.ID, c.Rounds, c.Lost, c.Doubled)
		}
	}
	if !slices.Equal(ids, faults) || !slices.Equal(points, want) {
		return r, fmt.Errorf("rows are missing or too many: there are %v and %v; run: go tool task test:faults", ids, points)
	}
	return r, nil
}

func (r faultRun) blocks() []block {
	return []block{{"run", r.run()}, {"faults", r.table()}, {"points", r.crashes()}, {"proofs", r.proofs()}}
}

func (r faultRun) run() string {
	rounds, acknowledged := 0, 0
	for _, c := range slices.Concat(r.Cases, r.Points) {
		rounds += c.Rounds
		acknowledged += c.Acknowledged
	}
	return fmt.Sprintf("%d faults and %d crash points, %d rounds, %d acknowledged uploads, votes and deletions: none lost, none doubled. Commit %s, %s, %.0f minutes on %s.\n",
		len(r.Cases), len(r.Points), rounds, acknowledged, r.Commit, r.Date, r.Minutes, r.Machine)
}

func seconds(s float64) string {
	if s == 0 {
		return "at once"
	}
	return fmt.Sprintf("%.1f", s)
}

func (r faultRun) table() string {
	var b strings.Builder
	b.WriteString("| | Fault | What is seen | Rounds | Acknowledged | Lost | Doubled | Recovery, s |\n|---|---|---|--:|--:|--:|--:|--:|\n")
	for _, c := range r.Cases {
		fmt.Fprintf(&b, "| %s | %s | %s | %d | %d | %d | %d | %s |\n", c.ID, cell(c.Fault), cell(c.Outcome), c.Rounds, c.Acknowledged, c.Lost, c.Doubled, seconds(c.Recovery))
	}
	return b.String()
}

func (r faultRun) crashes() string {
	var b strings.Builder
	b.WriteString("| Killed at | Rounds | Acknowledged | Lost | Doubled | Recovery, s |\n|---|--:|--:|--:|--:|--:|\n")
	for _, c := range r.Points {
		fmt.Fprintf(&b, "| `%s` | %d | %d | %d | %d | %s |\n", c.ID, c.Rounds, c.Acknowledged, c.Lost, c.Doubled, seconds(c.Recovery))
	}
	return b.String()
}

func (r faultRun) proofs() string {
	var b strings.Builder
	for _, c := range r.Cases {
		fmt.Fprintf(&b, "- **%s** %s.", c.ID, strings.Join(c.Proof, "; "))
		if c.Note != "" {
			fmt.Fprintf(&b, " Measured: %s.", c.Note)
		}
		b.WriteString("\n")
	}
	return b.String()
}

//nolint:paralleltest // with -update it writes what others read
func TestRELIABILITY_TablesAreThoseOfTheSuite(t *testing.T) {
	r, err := readFaults([]byte(read(t, "reliability/faults.json")))
	require.NoError(t, err)
	filled, changed, err := fill(read(t, "RELIABILITY.md"), r.blocks())
	require.NoError(t, err)
	if *update && len(changed) > 0 {
		require.NoError(t, os.WriteFile("RELIABILITY.md", []byte(filled), 0o644))
		return
	}
	require.Empty(t, changed, "run: go tool task docs")
}

func TestRELIABILITY_EditsByHandAndMissingRowsAreFound(t *testing.T) {
	t.Parallel()
	data := read(t, "reliability/faults.json")
	r, err := readFaults([]byte(data))
	require.NoError(t, err)
	document, _, err := fill(read(t, "RELIABILITY.md"), r.blocks())
	require.NoError(t, err)
	for _, b := range r.blocks() {
		edited := strings.Replace(document, b.text, regexp.MustCompile(`[0-9]`).ReplaceAllString(b.text, "7"), 1)
		restored, changed, err := fill(edited, r.blocks())
		require.NoError(t, err)
		require.Equal(t, []string{b.name}, changed)
		require.Equal(t, document, restored)
	}

	_, err = readFaults([]byte(regexp.MustCompile(`"rounds": \d+`).ReplaceAllString(data, `"rounds": 999`)))
	require.ErrorContains(t, err, "edited by hand")
	change := func(f func(*faultRun)) error {
		var all map[string]any
		require.NoError(t, json.Unmarshal([]byte(data), &all))
		changed, err := readFaults([]byte(data))
		require.NoError(t, err)
		f(&changed)
		all["cases"], all["points"], all["digest"] = changed.Cases, changed.Points, ""
		text, err := json.MarshalIndent(all, "", "  ")
		require.NoError(t, err)
		_, err = readFaults([]byte(sealed(string(text))))
		return err
	}
	require.NoError(t, change(func(*faultRun) {}))
	require.ErrorContains(t, change(func(r *faultRun) { r.Cases = r.Cases[1:] }), "rows are missing")
	require.ErrorContains(t, change(func(r *faultRun) { r.Points = r.Points[1:] }), "rows are missing")
	require.ErrorContains(t, change(func(r *faultRun) { r.Cases[3].Lost = 1 }), "1 lost")
	require.ErrorContains(t, change(func(r *faultRun) { r.Points[3].Doubled = 1 }), "1 doubled")
	require.ErrorContains(t, change(func(r *faultRun) { r.Cases[3].Proof = nil }), "does not prove")
}
