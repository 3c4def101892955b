//go:build e2e && compose

package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/platform/ffmpeg/ffmpegtest"
)

// The operator's guide, from its first command to its last, on a Docker engine:
// each command as it stands there, and after a chapter what must be true then.
func TestCompose(t *testing.T) {
	text, err := os.ReadFile("../../docs/DEPLOYMENT.md")
	require.NoError(t, err)
	chapters := guide(string(text))
	o := newOwner(t)
	before := map[string]func(){
		"Update and rollback": o.beforeUpdate,
		"Backup":              o.beforeBackup,
		"Restore":             o.beforeRestore,
		"Observability":       o.beforeObservability,
	}
	after := map[string]func(){
		"Start":                      o.afterStart,
		"Look":                       o.afterLook,
		"Stop and start":             o.afterRestart,
		"Scale":                      o.afterScale,
		"Update and rollback":        o.afterUpdate,
		"Backup":                     o.afterBackup,
		"Restore":                    o.afterRestore,
		"Restore the database alone": o.afterDatabase,
		"Secrets":                    o.afterSecrets,
		"HTTPS":                      o.afterHTTPS,
		"Observability":              o.afterObservability,
		"Development":                o.afterDevelopment,
		"The end of it":              o.afterEnd,
	}
	known := map[string]bool{}
	for _, c := range chapters {
		known[c.title] = true
	}
	for _, hooks := range []map[string]func(){before, after} {
		for title := range hooks {
			require.True(t, known[title], "the guide has no chapter %q", title)
		}
	}
	for _, c := range chapters {
		began := time.Now()
		t.Logf("## %s", c.title)
		if f := before[c.title]; f != nil {
			f()
		}
		for _, b := range c.blocks {
			switch b.kind {
			case "bash":
				o.run(b.script)
			case "bash follow":
				o.follow(b.script)
			}
		}
		if f := after[c.title]; f != nil {
			f()
		}
		t.Logf("   %s took %.0f s", c.title, time.Since(began).Seconds())
	}
}

// chapter is a part of the guide with the commands that it tells to run.
type chapter struct {
	title  string
	blocks []block
}

// block is a fenced part: "bash", "bash follow" for what never ends, and others
// that are not run.
type block struct{ kind, script string }

func guide(text string) []chapter {
	all := []chapter{{title: "what comes before the first"}}
	var open *block
	for line := range strings.SplitSeq(text, "\n") {
		switch {
		case open != nil && strings.HasPrefix(line, "```"):
			last := &all[len(all)-1]
			last.blocks = append(last.blocks, *open)
			open = nil
		case open != nil:
			open.script += line + "\n"
		case strings.HasPrefix(line, "```"):
			open = &block{kind: strings.TrimPrefix(line, "```")}
		case strings.HasPrefix(line, "## "):
			all = append(all, chapter{title: strings.TrimPrefix(line, "## ")})
		}
	}
	return all
}

// owner runs the platform by its guide, and knows what its users were told.
type owner struct {
	*stack
	book      *book
	ana       *user
	published string // a video that has been processed
	sum       string // of its published file
	clip      []byte
	files     int
	stop      func() // ends the load
	kept      record // what was acknowledged before the backup began
}

func newOwner(t *testing.T) *owner {
	o := &owner{stack: newStack(t), book: newBook(t)}
	// Small, since dozens of it are uploaded, backed up and restored.
	clip, err := os.ReadFile(ffmpegtest.Clip(t, ffmpegtest.Spec{
		Width: 1920, Height: 1080, Seconds: 21, Codec: []string{"-c:v", "libx264", "-preset", "veryfast", "-crf", "40"},
	}))
	require.NoError(t, err)
	o.clip = clip
	// The stand-in of an engine without a registry wants none; a real one is asked for nothing either.
	require.Contains(t, o.refused("docker-compose up -d"), "there are no secrets yet; make them with ./compose/secrets")
	return o
}

// refused runs what must fail and returns what it said.
func (o *owner) refused(script string) string {
	o.t.Helper()
	out, err := o.command(o.t.Context(), o.dir, script).CombinedOutput()
	require.Error(o.t, err, "%s: %s", script, out)
	return string(out)
}

// file is the clip with an atom behind it that tells it from all others.
func (o *owner) file() []byte {
	o.files++
	mark := fmt.Sprintf("%08d", o.files)
	return append(append([]byte{}, o.clip...), append([]byte{0, 0, 0, 16, 'f', 'r', 'e', 'e'}, mark...)...)
}
