package ffmpeg

import (
	"encoding/binary"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"anb/platform/ffmpeg/ffmpegtest"
)

// loose returns the tools as a kernel without Landlock and seccomp runs them.
func loose(t *Tools) *Tools {
	copied := *t
	copied.confinement = confinement{}
	return &copied
}

// confined skips the test where the kernel cannot confine.
func confined(t *testing.T, tools *Tools) *Tools {
	t.Helper()
	if !tools.confinement.whole() {
		if os.Getenv("ANB_TEST_REQUIRE") == "1" {
			t.Fatalf("confinement is required, there is: %s", tools.Confinement())
		}
		t.Skipf("this kernel offers: %s", tools.Confinement())
	}
	return tools
}

// The confinement alone must hold: none of these runs has Guards, and each is
// shown to work without the confinement.
func TestConfinement_KeepsFFmpegFromOtherFilesAndTheNetwork(t *testing.T) {
	t.Parallel()
	tools := confined(t, installed(t))
	clip := ffmpegtest.Clip(t, ffmpegtest.Spec{NoAudio: true})
	picture := func(out ...string) []string {
		return append([]string{"-f", "lavfi", "-i", "testsrc2=s=64x64:d=1"}, out...)
	}
	tests := map[string]func(victim string, c *ffmpegtest.Canary) Command{
		"reading a video that a playlist names": func(victim string, _ *ffmpegtest.Canary) Command {
			playlist := ffmpegtest.Playlist(t, victim)
			return Command{Args: []string{"-i", playlist, "-f", "null", "-"}, Reads: []string{playlist}}
		},
		"reading a file by its name": func(victim string, _ *ffmpegtest.Canary) Command {
			return Command{Args: []string{"-i", victim, "-f", "null", "-"}}
		},
		"writing beside the folder": func(victim string, _ *ffmpegtest.Canary) Command {
			return Command{Args: picture("-frames:v", "1", "-y", victim+".png")}
		},
		"writing what it may read": func(victim string, _ *ffmpegtest.Canary) Command {
			return Command{Args: picture("-y", victim), Reads: []string{victim}}
		},
		"fetching by HTTP": func(_ string, c *ffmpegtest.Canary) Command {
			return Command{Args: []string{"-i", "http://" + c.TCP + "/video.mp4"}}
		},
		"connecting by TCP": func(_ string, c *ffmpegtest.Canary) Command {
			return Command{Args: []string{"-i", "tcp://" + c.TCP}}
		},
		"sending by UDP": func(_ string, c *ffmpegtest.Canary) Command {
			return Command{Args: picture("-f", "mpegts", "udp://"+c.UDP)}
		},
	}
	for name, command := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			outside, canary := t.TempDir(), ffmpegtest.NewCanary(t)
			victim := filepath.Join(outside, "victim.mp4")
			copyFile(t, clip, victim)
			c := command(victim, canary)
			c.Dir = t.TempDir()
			before := ffmpegtest.Snapshot(t, outside)
			watch := ffmpegtest.NewWatch(t, outside)

			_, err := tools.Run(t.Context(), c)
			require.Error(t, err)
			if name != "writing what it may read" { // which opens it first, to see what is there
				require.Empty(t, watch.Opened(t))
			}
			require.Empty(t, canary.Heard(t))
			require.Equal(t, before, ffmpegtest.Snapshot(t, outside))
			watch.Opened(t)

			_, _ = loose(tools).Run(t.Context(), c)
			require.NotEmpty(t, append(canary.Heard(t), watch.Opened(t)...), "without confinement it can be seen")
		})
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(to, data, 0o600))
}

func TestConfinement_KeepsAnyProgramFromTheRest(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ needs, script string }{
		"reading a file":              {"", "cat $OUTSIDE/secret"},
		"listing a folder":            {"", "ls $OUTSIDE"},
		"reading system settings":     {"", "cat /etc/passwd"},
		"reading our environment":     {"", "cat /proc/$PPID/environ"},
		"writing a file":              {"", "echo x >$OUTSIDE/new"},
		"removing a file":             {"", "rm $OUTSIDE/secret"},
		"making a folder":             {"", "mkdir sub"},
		"making a symbolic link":      {"", "ln -s $OUTSIDE/secret link"},
		"making a hard link":          {"", "ln $OUTSIDE/secret link"},
		"making a pipe":               {"mkfifo", "mkfifo pipe"},
		"moving a file out":           {"", "echo x >file && mv -n file $OUTSIDE/moved && test ! -e file"},
		"running what it wrote":       {"", "cp /bin/true own && ./own"},
		"signalling us":               {"", "kill -0 $PPID"},
		"a session of its own":        {"setsid", "setsid -w true"},
		"a name space of its own":     {"unshare", "unshare -U true"},
		"connecting without Landlock": {"bash", "exec bash -c 'exec 3<>/dev/tcp/'$TCP"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath(tt.needs); err != nil && tt.needs != "" {
				t.Skipf("%s is not installed", tt.needs)
			}
			outside, canary := t.TempDir(), ffmpegtest.NewCanary(t)
			require.NoError(t, os.WriteFile(filepath.Join(outside, "secret"), []byte("x"), 0o600))
			host, port, err := net.SplitHostPort(canary.TCP)
			require.NoError(t, err)
			script := ffmpegtest.Script(t, "OUTSIDE="+outside+" TCP="+host+"/"+port+"\n"+tt.script)
			tools := confined(t, scripted(t, script))
			if name == "signalling us" && tools.confinement.scoped&unix.LANDLOCK_SCOPE_SIGNAL == 0 {
				t.Skip("this kernel's Landlock does not scope signals")
			}
			if tt.needs == "bash" {
				tools.confinement.landlock = 0
			}
			_, err = tools.Run(t.Context(), Command{Dir: t.TempDir()})
			require.Error(t, err)
			_, err = loose(tools).Run(t.Context(), Command{Dir: t.TempDir()})
			require.NoError(t, err, "without confinement it works")
		})
	}
}

func TestConfinement_LandlockAloneStopsTCP(t *testing.T) {
	t.Parallel()
	ffmpegtest.Require(t)
	tools, canary := confined(t, installed(t)), ffmpegtest.NewCanary(t)
	tools.confinement.seccomp = false
	_, err := tools.Run(t.Context(), Command{Args: []string{"-i", "tcp://" + canary.TCP}})
	require.Error(t, err)
	require.Empty(t, canary.Heard(t))
}

func TestConfinement_AllowsTheJobItsOwn(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(outside, "given"), []byte("x"), 0o600))
	script := ffmpegtest.Script(t, `cat `+outside+`/given >new && mv new kept && cat kept >/dev/null && head -c 1 /dev/urandom >random && rm random && test "$(ls)" = kept`)
	_, err := scripted(t, script).Run(t.Context(), Command{Dir: t.TempDir(), Reads: []string{outside + "/given", "/no/such/file"}})
	require.NoError(t, err)
	_, err = scripted(t, script).Run(t.Context(), Command{Dir: t.TempDir(), Reads: []string{outside}})
	require.NoError(t, err)
}

func TestConfinement_SaysWhatIsInForce(t *testing.T) {
	t.Parallel()
	require.Equal(t, "no landlock, no seccomp", confinement{}.String())
	require.False(t, confinement{}.whole())
	require.False(t, confinement{landlock: landlockTCP - 1, seccomp: true}.whole())
	require.Equal(t, "landlock 7, seccomp", confinement{landlock: 7, seccomp: true}.String())
	require.Regexp(t, `^(no landlock|landlock \d+), (no )?seccomp, (cgroup v[12]|memory watched)$`, installed(t).Confinement())
}

func TestConfinement_AsksOlderKernelsForLess(t *testing.T) {
	t.Parallel()
	const all = unix.LANDLOCK_ACCESS_FS_IOCTL_DEV<<1 - 1
	for version, want := range map[int]unix.LandlockRulesetAttr{
		1: {Handled_access_fs: 0x1fff}, 2: {Handled_access_fs: 0x3fff}, 3: {Handled_access_fs: 0x7fff},
		4: {Handled_access_fs: 0x7fff, Handled_access_net: 3}, 5: {Handled_access_fs: all, Handled_access_net: 3},
	} {
		require.Equal(t, want, confinement{landlock: version}.handled(), "version %d", version)
	}
}

func TestCallFilter_DeniesOtherInterfacesAndTheList(t *testing.T) {
	t.Parallel()
	var program []bpf.Instruction
	for _, f := range callFilter(unix.AUDIT_ARCH_X86_64) {
		program = append(program, bpf.RawInstruction{Op: f.Code, Jt: f.Jt, Jf: f.Jf, K: f.K}.Disassemble())
	}
	vm, err := bpf.NewVM(program)
	require.NoError(t, err)
	answer := func(call, arch, argument uint32) int {
		data := make([]byte, 64)
		for offset, value := range map[int]uint32{callOffset: call, archOffset: arch, argumentOffset: argument} {
			binary.BigEndian.PutUint32(data[offset:], value) // as this machine reads
		}
		n, err := vm.Run(data)
		require.NoError(t, err)
		return n
	}
	const own = unix.AUDIT_ARCH_X86_64
	denied := unix.SECCOMP_RET_ERRNO | int(unix.EPERM)
	for _, call := range deniedCalls() {
		require.Equal(t, denied, answer(call, own, 0), "call %d", call)
	}
	require.Equal(t, denied, answer(unix.SYS_READ, unix.AUDIT_ARCH_I386, 0))
	require.Equal(t, denied, answer(unix.SYS_SOCKET|0x40000000, own, 0), "x32")
	require.Equal(t, unix.SECCOMP_RET_ERRNO|int(unix.ENOSYS), answer(unix.SYS_CLONE3, own, 0))
	require.Equal(t, denied, answer(unix.SYS_CLONE, own, unix.CLONE_NEWUSER|unix.CLONE_VM))
	require.Equal(t, unix.SECCOMP_RET_ALLOW, answer(unix.SYS_CLONE, own, unix.CLONE_VM|unix.CLONE_THREAD))
	require.Equal(t, unix.SECCOMP_RET_ALLOW, answer(unix.SYS_READ, own, 0))
}
