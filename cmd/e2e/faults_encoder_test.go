//go:build e2e

package e2e

import (
	"os/exec"
	"time"

	"github.com/stretchr/testify/require"
)

func encoderFaults() []faultCase {
	return []faultCase{
		{"F13", "an encoder that hangs, ignores SIGTERM and has a child; one that is stopped by SIGSTOP", "killed with its children at the timeout; failed as timeout after the last attempt", false, encoderHangs},
		{"F14", "an encoder that dies of SIGKILL or SIGSEGV", "the signal is recorded, tried again, then failed; the worker lives", false, encoderDies},
		{"F15", "an encoder that ends well and leaves 0 or 10 bytes", "its output is checked and never published", true, encoderLies},
	}
}

// badly runs one video through an encoder that does, for x264 only, what the
// script says, requires that it failed with the code after two attempts, and
// then one through a good one: by the same worker.
func badly(x *experiment, r *rig, u *user, clip, script, code string) []attempt {
	x.Helper()
	r.encode(`case "$*" in *libx264*) ` + script + ` ;; *) exec ffmpeg "$@" ;; esac`)
	id := u.accepted(clip)
	u.until(id, patience, "failed")
	at := time.Now()
	require.Equal(x, code, u.call("GET", "/api/videos/"+id, nil).text("failure_code"))
	requireNoStrays(x.T, r.dir, 10*time.Second)
	attempts := r.attemptsOf(id)
	require.Len(x, attempts, 2)
	r.encode(plainEncoder)
	u.processed(u.accepted(clip))
	x.recovered(at)
	return attempts
}

func encoderHangs(x *experiment) {
	r := newRig(x, "ANB_PROCESSING_MAX_ATTEMPTS=2", "ANB_PROCESSING_TIMEOUT=6s")
	u := r.book.join(r.serve().base(), "ana")
	clip := clipOf(x.T, 2)
	w := r.worker()
	x.rounds(2, 2)
	mark := "hangs-" + newID() // in the command lines, to find the children
	for name, script := range map[string]string{
		"ignored SIGTERM and its child too": `trap '' TERM; sh -c 'trap "" TERM; while :; do sleep 1; done' ` + mark + ` & while :; do sleep 1; done`,
		"stopped by SIGSTOP":                `kill -STOP $$`,
	} {
		for _, a := range badly(x, r, u, clip, script, "TIMEOUT") {
			require.Equal(x, "timeout", a.Reason)
		}
		out, _ := exec.Command("pgrep", "-f", mark).Output() // 1 when there is none
		require.Empty(x, string(out), "children outlive the encoder")
		x.occurred("two encoders %s, until they were killed", name)
	}
	r.quit(w)
	r.check()
}

func encoderDies(x *experiment) {
	r := newRig(x, "ANB_PROCESSING_MAX_ATTEMPTS=2")
	u := r.book.join(r.serve().base(), "ana")
	clip := clipOf(x.T, 2)
	w := r.worker()
	x.rounds(2, 2)
	for signal, name := range map[string]string{"KILL": "killed", "SEGV": "segmentation fault"} {
		for _, a := range badly(x, r, u, clip, `kill -`+signal+` $$`, "KILLED") {
			require.Equal(x, name, a.Signal)
			x.occurred("the encoder ended by SIG%s", signal)
		}
	}
	r.quit(w)
	r.check()
}

func encoderLies(x *experiment) {
	r := newRig(x, "ANB_PROCESSING_MAX_ATTEMPTS=2")
	u := r.book.join(r.serve().base(), "ana")
	clip := clipOf(x.T, 2)
	w := r.worker()
	x.rounds(2, 2)
	for _, content := range []string{"", "0123456789"} {
		for _, a := range badly(x, r, u, clip, `for last; do :; done; printf '`+content+`' >"$last"; exit 0`, "ENCODER_FAILED") {
			require.NotEmpty(x, a.Error)
			require.NotContains(x, a.Error, "exit status", "it ended well")
		}
		x.occurred("the encoder ended with 0 and left %d bytes", len(content))
	}
	r.quit(w)
	require.Len(x, r.files("processed_videos"), 4, "of the two good ones")
	r.check()
}
