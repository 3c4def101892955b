package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// event is a line of go test -json; see go doc test2json and go help buildjson.
type event struct {
	Action      string
	Package     string
	Test        string // empty: the package itself
	ImportPath  string // of build events
	Output      string
	Elapsed     float64 // seconds
	FailedBuild string
}

// id names a test, or with an empty test a package.
type id struct{ pkg, test string }

// report counts tests: each test and each subtest is one, also a test that has
// subtests, since it can fail on its own.
type report struct {
	out                     io.Writer
	passed, failed, skipped int
	output                  map[id]*strings.Builder // of what has not ended
	builds                  map[string]*strings.Builder
	open                    map[id]bool
	broken                  map[string]bool // packages in which a test failed
	proven                  map[string]bool // tests that passed, by name, in any package
}

func newReport(out io.Writer) *report {
	return &report{out: out, output: map[id]*strings.Builder{}, builds: map[string]*strings.Builder{}, open: map[id]bool{}, broken: map[string]bool{}, proven: map[string]bool{}}
}

// good tells whether at least one test ran and all that there are passed.
func (r *report) good() bool { return r.passed > 0 && r.failed == 0 && r.skipped == 0 }

func (r *report) summary() string {
	return fmt.Sprintf("%d passed, %d failed, %d skipped", r.passed, r.failed, r.skipped)
}

// read takes all events of in. What is no event is passed on.
func (r *report) read(in io.Reader) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		var e event
		switch {
		case len(line) == 0:
		case json.Unmarshal(line, &e) != nil || e.Action == "":
			fmt.Fprint(r.out, string(line))
		default:
			r.take(e)
		}
		if errors.Is(err, io.EOF) {
			r.unfinished("")
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (r *report) take(e event) {
	key := id{e.Package, e.Test}
	switch e.Action {
	case "start", "run":
		r.open[key] = true
	case "output":
		add(r.output, key, e.Output)
	case "build-output":
		add(r.builds, e.ImportPath, e.Output)
	case "build-fail":
		fmt.Fprint(r.out, take(r.builds, e.ImportPath))
	case "pass", "fail", "skip":
		delete(r.open, key)
		if e.Test == "" {
			r.endPackage(e)
			return
		}
		r.endTest(e.Action, key)
	}
}

func (r *report) endTest(action string, key id) {
	said := take(r.output, key)
	switch action {
	case "pass":
		r.passed++
		r.proven[key.test] = true
	case "skip":
		r.skipped++
		fmt.Fprintf(r.out, "SKIP %s %s\n%s", key.pkg, key.test, said)
	case "fail":
		r.failed++
		r.broken[key.pkg] = true
		fmt.Fprintf(r.out, "FAIL %s %s\n%s", key.pkg, key.test, said)
	}
}

func (r *report) endPackage(e event) {
	r.unfinished(e.Package)
	said := take(r.output, id{e.Package, ""})
	word := map[string]string{"pass": "ok  ", "fail": "FAIL", "skip": "none"}[e.Action]
	if e.Action == "fail" && !r.broken[e.Package] {
		// It was not built, or fails outside of any test.
		r.failed++
		fmt.Fprint(r.out, said)
	}
	note := ""
	if e.FailedBuild != "" {
		note = " (not built)"
	}
	fmt.Fprintf(r.out, "%s %6.1fs %s%s\n", word, e.Elapsed, e.Package, note)
}

// unfinished counts what has begun in pkg, or anywhere, and never ended as
// failed: the process died, or the events stop midway.
func (r *report) unfinished(pkg string) {
	for _, key := range slices.SortedFunc(maps.Keys(r.open), func(a, b id) int {
		return strings.Compare(a.pkg+" "+a.test, b.pkg+" "+b.test)
	}) {
		if pkg != "" && key.pkg != pkg {
			continue
		}
		delete(r.open, key)
		r.failed++
		r.broken[key.pkg] = true
		fmt.Fprintf(r.out, "FAIL %s %s (never ended)\n%s", key.pkg, key.test, take(r.output, key))
	}
}

func add[K comparable](m map[K]*strings.Builder, key K, text string) {
	if m[key] == nil {
		m[key] = &strings.Builder{}
	}
	m[key].WriteString(text)
}

// take returns and forgets what was added under key.
func take[K comparable](m map[K]*strings.Builder, key K) string {
	b, ok := m[key]
	if !ok {
		return ""
	}
	delete(m, key)
	return b.String()
}
