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
)

func main() {
	profile := flag.String("coverage", "", "the file that go test -coverprofile wrote")
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
	fmt.Println(r.summary())
	if err != nil || !r.good() {
		os.Exit(1)
	}
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
