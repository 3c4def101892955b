package processing

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// phone is an input and what must come of it.
type phone struct {
	group, input string
	reports      []string // public reports of the kind
	make         maker
	limits       func(*Limits)
	start        time.Duration
	note         string

	refused Reason // empty: published
	later   bool   // refused on the video, since only decoding shows it
	errors  bool   // published although the decoder complains

	shot    shot      // gives make, aspect and times where they are not given
	aspect  float64   // as shown
	before  float64   // in the first half, if it changes
	times   []float64 // of the cards, in seconds
	numbers []int     // of the body's pictures; nil: two seconds from times
	from    float64   // the start that really applies; 0: start
	count   int       // of the body's pictures; 0: 60
	colours int       // tolerance; 0: the usual
}

// row is what the table in the documentation tells about an input.
type row struct {
	Group   string   `json:"group"`
	Input   string   `json:"input"`
	Reports []string `json:"reports"`
	Result  string   `json:"result"` // published, or the code
	Where   string   `json:"where"`  // upload, video, or empty
	Frames  int64    `json:"frames"` // of the published video
	Note    string   `json:"note"`
}

func phones() []phone {
	return slices.Concat(shapePhones(), ratePhones(), filePhones(), trackPhones(), colourPhones(), codecPhones(),
		startPhones(), limitPhones(), damagePhones(), disguisePhones())
}

// secrets are in the metadata of every shot that asks for them.
var secrets = []string{"+04.6097", "ana@example.com", "Pixel 99"}

// TestPhones makes every input, has it inspected and encoded as an upload is,
// and looks at what comes out. It does not run beside other tests, so that
// every process which is left over is its own.
func TestPhones(t *testing.T) { //nolint:paralleltest // see above
	smallEncoder(t)
	children, files := childrenOf(t), filesOf(t, ".")
	all := phones()
	rows := make([]row, len(all))
	var failed sync.Map
	t.Run("inputs", func(t *testing.T) { //nolint:paralleltest // its parts are
		for i, p := range all {
			t.Run(strings.ReplaceAll(p.group+"/"+p.input, " ", "_"), func(t *testing.T) {
				t.Parallel()
				t.Cleanup(func() {
					if t.Failed() {
						failed.Store(i, true)
					}
				})
				rows[i] = p.run(t)
			})
		}
	})
	require.Equal(t, children, childrenOf(t), "no process is left")
	require.Equal(t, files, filesOf(t, "."), "no file is left or changed")
	complete := true
	for _, r := range rows {
		complete = complete && r.Input != ""
	}
	failed.Range(func(any, any) bool { complete = false; return false })
	if complete { // not a run of some of them
		compareDocument(t, "inputs.json", rows)
	}
}

// run makes the input and checks what becomes of it.
func (p phone) run(t *testing.T) row {
	t.Helper()
	r := row{Group: p.group, Input: p.input, Reports: p.reports, Result: "published", Note: p.note}
	if r.Reports == nil {
		r.Reports = []string{}
	}
	limits := smallLimits()
	if p.limits != nil {
		p.limits(&limits)
	}
	inspector, err := NewInspector(limits, installedTools(t))
	require.NoError(t, err)
	if p.make == nil {
		p.make = p.shot.make
	}
	path := p.make(t, t.TempDir())
	before := filesOf(t, filepath.Dir(path))
	job := Job{Path: path, Start: p.start, Dir: t.TempDir()}
	job.Source, err = inspector.Inspect(t.Context(), path)
	if err != nil {
		r.Where = "upload"
	}
	var out Output
	if err == nil {
		if out, err = smallEncoder(t).Encode(t.Context(), job, nil); err != nil {
			r.Where = "video"
		}
	}
	require.Equal(t, before, filesOf(t, filepath.Dir(path)), "the upload and its folder are as they were")
	if p.refused != "" {
		f := requireReason(t, p.refused, err)
		require.Equal(t, p.later, r.Where == "video", "refused at the %s", r.Where)
		require.True(t, f.Reason.Permanent())
		requireSpanish(t, limits.Message(f.Reason))
		r.Result = f.Reason.Code()
		return r
	}
	if f := (*Failure)(nil); errors.As(err, &f) {
		t.Log(f.Tail)
	}
	require.NoError(t, err)
	require.Equal(t, p.errors, out.DecodeErrors > 0, "%d complaints", out.DecodeErrors)
	p.require(t, out)
	r.Frames = out.Frames
	return r
}

// require checks a published video.
func (p phone) require(t *testing.T, out Output) {
	t.Helper()
	if p.aspect == 0 {
		c := p.shot.card.filled()
		p.aspect = c.aspect
	}
	if p.times == nil {
		p.times = p.shot.times()
	}
	if p.count == 0 {
		p.count = clipFrames
	}
	if p.from == 0 {
		p.from = p.start.Seconds()
	}
	if p.numbers == nil {
		p.numbers = shownAt(p.times, p.from, p.count)
	}
	w := wanted{aspect: p.aspect, before: p.before, numbers: p.numbers, tolerance: p.colours, secrets: secrets}
	require.Empty(t, complaintsOf(examine(t, out.Video.Path), w.filled(t)))
	require.EqualValues(t, len(p.numbers)+2*cardFrames, out.Frames)
	requirePoster(t, out.Poster.Path, w.filled(t))
	for name := range filesOf(t, filepath.Dir(out.Video.Path)) {
		require.Contains(t, []string{videoName, posterName, listName, cubeName}, name, "in the job's folder")
	}
}

// requireSpanish asks for whole sentences, and for words of the language.
func requireSpanish(t *testing.T, message string) {
	t.Helper()
	require.Regexp(t, `^[A-ZÁÉÍÓÚÑ].*\.$`, message)
	require.Regexp(t, `(?i)\b(el|la|este|un|no|tu)\b`, message)
}

// compareDocument compares what was found with what docs/video tells, which
// -update rewrites.
func compareDocument(t *testing.T, name string, found any) {
	t.Helper()
	data, err := json.MarshalIndent(found, "", "  ")
	require.NoError(t, err)
	data = append(data, '\n')
	path := filepath.Join("..", "..", "docs", "video", name)
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o750))
		require.NoError(t, os.WriteFile(path, data, 0o600))
		return
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), string(data), "%s is stale; run the test with -update", path)
}
