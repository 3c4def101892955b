package docs_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"anb/modules/processing"
)

// block is a part of VIDEO.md that is made from a file.
type block struct{ name, text string }

func blockBegin(name string) string {
	return "<!-- " + name + `: made by "go tool task docs" -->`
}

func blockEnd(name string) string { return "<!-- " + name + " ends -->" }

// fill puts the blocks into document and names those that it changed.
func fill(document string, blocks []block) (filled string, changed []string, err error) {
	for _, b := range blocks {
		before, rest, ok := strings.Cut(document, blockBegin(b.name))
		old, after, closed := strings.Cut(rest, blockEnd(b.name))
		if !ok || !closed {
			return "", nil, fmt.Errorf("the markers of %s are missing: %s … %s", b.name, blockBegin(b.name), blockEnd(b.name))
		}
		if text := "\n\n" + b.text + "\n"; old != text {
			changed = append(changed, b.name)
			document = before + blockBegin(b.name) + text + blockEnd(b.name) + after
		}
	}
	return document, changed, nil
}

func videoBlocks(t *testing.T) []block {
	t.Helper()
	blocks := []block{
		{"inputs", inputsTable(t, load[[]input](t, "video/inputs.json"))},
		{"reasons", reasonsTable()},
		{"damage", damageTable(load[[]damage](t, "video/damage.json"))},
	}
	report, err := readReport([]byte(read(t, "video/bench.json")))
	require.NoError(t, err)
	return append(blocks, report.blocks()...)
}

//nolint:paralleltest // with -update it writes what others read
func TestVIDEO_TablesAreThoseOfTheFiles(t *testing.T) {
	filled, changed, err := fill(read(t, "VIDEO.md"), videoBlocks(t))
	require.NoError(t, err)
	if *update && len(changed) > 0 {
		require.NoError(t, os.WriteFile("VIDEO.md", []byte(filled), 0o644))
		return
	}
	require.Empty(t, changed, "run: go tool task docs")
}

//nolint:paralleltest // the same
func TestVIDEO_ChartIsThatOfTheFigures(t *testing.T) {
	report, err := readReport([]byte(read(t, "video/bench.json")))
	require.NoError(t, err)
	chart := report.chart()
	if *update {
		require.NoError(t, os.WriteFile("video/speed.svg", []byte(chart), 0o644))
	}
	require.Equal(t, chart, read(t, "video/speed.svg"), "run: go tool task docs")
}

func TestVIDEO_EditByHandIsFoundInEveryBlock(t *testing.T) {
	t.Parallel()
	blocks := videoBlocks(t)
	document, _, err := fill(read(t, "VIDEO.md"), blocks)
	require.NoError(t, err)
	digit := regexp.MustCompile(`[0-9]`)
	for _, b := range blocks {
		mark := strings.Index(document, blockBegin(b.name)) + len(blockBegin(b.name))
		edited := document[:mark] + "\n\n" + digit.ReplaceAllString(b.text, "7") + document[mark+2+len(b.text):]
		if !digit.MatchString(b.text) {
			edited = document[:mark] + document[mark+2+len(b.text):]
		}
		restored, changed, err := fill(edited, blocks)
		require.NoError(t, err)
		require.Equal(t, []string{b.name}, changed)
		require.Equal(t, document, restored)
	}
	_, _, err = fill(strings.Replace(document, blockEnd("inputs"), "", 1), blocks)
	require.ErrorContains(t, err, "markers of inputs")
}

func TestVIDEO_FiguresEditedByHandAreRefused(t *testing.T) {
	t.Parallel()
	data := read(t, "video/bench.json")
	_, err := readReport([]byte(data))
	require.NoError(t, err)
	ratio := regexp.MustCompile(`"ratio": [0-9.]+`)
	require.Regexp(t, ratio, data)
	_, err = readReport([]byte(ratio.ReplaceAllString(data, `"ratio": 1`)))
	require.ErrorContains(t, err, "edited by hand")
}

func TestVIDEO_FiguresOfAQuickRunAreNotShown(t *testing.T) {
	t.Parallel()
	r, err := readReport([]byte(read(t, "video/bench.json")))
	require.NoError(t, err)
	r.Quick = true
	for _, b := range r.blocks() {
		require.Equal(t, notMeasured+"\n", b.text, b.name)
	}
	require.Contains(t, r.chart(), notMeasured)
	require.NotContains(t, r.chart(), "class=\"bar\"")
}

func TestVIDEO_FiguresAreThoseOfAWholeRun(t *testing.T) {
	t.Parallel()
	r, err := readReport([]byte(read(t, "video/bench.json")))
	require.NoError(t, err)
	require.False(t, r.Quick, "on an idle machine run: go tool task bench:video")
}

var digestField = regexp.MustCompile(`"digest": "[0-9a-f]*"`)

// sealed gives data the digest that the benchmark would have given it.
func sealed(data string) string {
	empty := digestField.ReplaceAllString(data, `"digest": ""`)
	sum := sha256.Sum256([]byte(empty))
	return strings.Replace(empty, `"digest": ""`, `"digest": "`+hex.EncodeToString(sum[:])+`"`, 1)
}

// readReport refuses what the benchmark did not write.
func readReport(data []byte) (report, error) {
	var r report
	if err := json.Unmarshal(data, &r); err != nil {
		return r, fmt.Errorf("read figures: %w", err)
	}
	if sealed(string(data)) != string(data) {
		return r, errors.New("the figures were edited by hand; run: go tool task bench:video")
	}
	return r, nil
}

func load[T any](t *testing.T, path string) (v T) {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &v), path)
	return v
}

// input is a row of the suite: what came in, and what came out.
type input struct {
	Group   string   `json:"group"`
	Input   string   `json:"input"`
	Reports []string `json:"reports"`
	Result  string   `json:"result"`
	Where   string   `json:"where"`
	Frames  int64    `json:"frames"`
	Note    string   `json:"note"`
}

func inputsTable(t *testing.T, rows []input) string {
	t.Helper()
	var codes []string
	for _, r := range processing.Reasons() {
		codes = append(codes, r.Code())
	}
	var b strings.Builder
	published, group := 0, ""
	for _, r := range rows {
		if r.Group != group {
			group = r.Group
			fmt.Fprintf(&b, "\n**%s**\n\n| Came in | Came out | Reported |\n|---|---|---|\n", cell(group))
		}
		out := fmt.Sprintf("%d frames", r.Frames)
		if r.Result == "published" {
			published++
		} else {
			require.Contains(t, codes, r.Result, r.Input)
			out = "[`" + r.Result + "`](#reasons)"
			if r.Where == "upload" {
				out += " at upload"
			} else {
				out += " on the video"
			}
		}
		if r.Note != "" {
			out += "; " + r.Note
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", cell(r.Input), cell(out), cell(strings.Join(r.Reports, ", ")))
	}
	return fmt.Sprintf("%d inputs, %d published, %d refused.\n", len(rows), published, len(rows)-published) + b.String()
}

func reasonsTable() string {
	var b strings.Builder
	b.WriteString("| Code | Tried again | What the player reads |\n|---|---|---|\n")
	for _, r := range processing.Reasons() {
		again := "no"
		if !r.Permanent() {
			again = "yes"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", r.Code(), again, cell(r.Message()))
	}
	return b.String()
}

// damage is a broken clip and what became of it.
type damage struct {
	Damage   string  `json:"damage"`
	Errors   int     `json:"decode_errors"`
	Pictures float64 `json:"damaged_pictures_percent"`
	Result   string  `json:"result"`
}

func damageTable(rows []damage) string {
	var b strings.Builder
	b.WriteString("| Damage | Decode errors | Pictures spoiled | Result |\n|---|--:|--:|---|\n")
	for _, r := range rows {
		result := r.Result
		if !slices.Contains([]string{"", "published"}, result) {
			result = "`" + result + "`"
		}
		fmt.Fprintf(&b, "| %s | %d | %g %% | %s |\n", cell(r.Damage), r.Errors, r.Pictures, result)
	}
	return b.String()
}

func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
