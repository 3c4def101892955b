// Command testreport reads the output of go test -json and says what people
// need: what failed and why, how long each package took, how much was covered,
// and how many tests ran. It ends with 1 unless every test ran and passed.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
)

func main() {
	profile := flag.String("coverage", "", "the file that go test -coverprofile wrote")
	named := flag.String("named", "", "a document; the tests that it names must all be among those that passed")
	flag.Parse()
	r := newReport(os.Stdout)
	err := r.read(os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testreport: read the events:", err)
	}
	if *profile != "" {
		total, e := coverage(*profile)
		if e != nil {
			err = e
			total = e.Error()
		}
		fmt.Println("coverage:", total)
	}
	missing := false
	if *named != "" {
		missing = r.lacks(*named)
	}
	fmt.Println(r.summary())
	if err != nil || missing || !r.good() {
		os.Exit(1)
	}
}

// testName is a test in a document: `TestX_DoesY` or `TestX/a_case`.
var testName = regexp.MustCompile("`(Test[^`\\s]+)`")

// lacks tells which of the tests that a document names did not pass, and
// whether there are any, or none named at all.
func (r *report) lacks(document string) bool {
	text, err := os.ReadFile(document)
	if err != nil {
		fmt.Fprintln(r.out, "FAIL read the document that names tests:", err)
		return true
	}
	all := testName.FindAllSubmatch(text, -1)
	missing := len(all) == 0
	for _, m := range all {
		if !r.proven[string(m[1])] {
			missing = true
			fmt.Fprintf(r.out, "FAIL %s names %s, which did not pass in this run\n", document, m[1])
		}
	}
	return missing
}

// coverage returns the share of statements that the profile counts as run, such
// as "81.4%".
func coverage(profile string) (string, error) {
	out, err := exec.Command("go", "tool", "cover", "-func="+profile).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("read coverage of %s: %w: %s", profile, err, bytes.TrimSpace(out))
	}
	words := bytes.Fields(out)
	if len(words) == 0 {
		return "", fmt.Errorf("read coverage of %s: the profile is empty", profile)
	}
	return string(words[len(words)-1]), nil
}
