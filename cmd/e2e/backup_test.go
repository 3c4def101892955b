//go:build e2e

package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/platform/ffmpeg/ffmpegtest"
	"anb/platform/taskbus/redistest"
)

// heavy is a clip of some hundred kilobytes, more than a pipe holds, that is
// like no other.
func heavy(t *testing.T, seed int) string {
	t.Helper()
	return ffmpegtest.Clip(t, ffmpegtest.Spec{
		Name: fmt.Sprintf("heavy%d.mp4", seed), Width: 640, Height: 360, Seconds: 2, Filter: fmt.Sprintf("noise=alls=30:allf=t:all_seed=%d", seed),
	})
}

func sumOf(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return sum(data)
}

// promised is what the clients were promised before a backup began.
type promised struct {
	people  []*client
	files   map[string]string // SHA-256 of the originals, by video
	results map[string]string // and of the published files
	owners  map[string]*client
	votes   map[string][]*client
}

func newPromised(people ...*client) *promised {
	return &promised{people: people, files: map[string]string{}, results: map[string]string{}, owners: map[string]*client{}, votes: map[string][]*client{}}
}

func (n *promised) upload(c *client, clip string) string {
	id := c.upload("Triple", clip)
	n.files[id], n.owners[id] = sumOf(c.t, clip), c
	return id
}

func (n *promised) vote(c *client, video string) {
	c.object(http.StatusOK, http.MethodPost, "/api/public/videos/"+video+"/vote", nil)
	n.votes[video] = append(n.votes[video], c)
}

// require compares a restored platform with what the clients were promised.
func (n *promised) require(t *testing.T, base string) {
	t.Helper()
	server := newClient(t, base)
	now := func(c *client) *client { return server.as(c.token) }
	for _, c := range n.people {
		now(c).object(http.StatusOK, http.MethodGet, "/api/auth/me", nil)
	}
	for id, sha := range n.files {
		v := now(n.owners[id]).processed(id, patience)
		require.Equal(t, sha, sumOf(t, server.save(v["original_url"].(string)+"#.mp4")), "the original of %s", id)
		if made, ok := n.results[id]; ok {
			require.Equal(t, made, sumOf(t, server.save(v["processed_url"].(string))), "the published file of %s", id)
		}
		require.EqualValues(t, len(n.votes[id]), v["votes"], "votes for %s", id)
	}
	for video, voters := range n.votes {
		for _, c := range voters {
			again := now(c).object(http.StatusBadRequest, http.MethodPost, "/api/public/videos/"+video+"/vote", nil)
			require.Equal(t, "ALREADY_VOTED", again["code"])
		}
	}
}

// elsewhere is a fleet with nothing but a schema.
func elsewhere(t *testing.T, settings ...string) *fleet {
	t.Helper()
	return newFleetOn(t, binary(t), redistest.Start(t), dbtest.PostgresURL(t, false), settings...)
}

// pipe is a pipe that ends with the test.
func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { _, _ = r.Close(), w.Close() }) // the test may have closed them
	return r, w
}

func (f *fleet) piped(in, out *os.File, args ...string) *process {
	return startPiped(f.t, in, out, f.path, f.dir, f.env, args...)
}

func (f *fleet) must(code int, args ...string) string {
	f.t.Helper()
	p := f.run(args...)
	require.Equal(f.t, code, p.wait(patience), p.out.String())
	return p.out.String()
}

func TestBackup_WhileUploadsProcessingAndVotesGoOn(t *testing.T) {
	t.Parallel()
	f := newFleet(t, binary(t), slices.Concat(quick, slow(t))...)
	server := newClient(t, f.run("serve").base())
	ana, luis, mar := server.join("Ana", "Cali"), server.join("Luis", "Bogotá"), server.join("Mar", "Cali")
	n := newPromised(ana, luis, mar)
	f.worker("--concurrency=1")
	first, second := n.upload(ana, heavy(t, 1)), n.upload(luis, heavy(t, 2))
	for _, id := range []string{first, second} {
		v := n.owners[id].processed(id, patience)
		n.results[id] = sumOf(t, server.save(v["processed_url"].(string)))
		n.vote(mar, id)
	}
	n.vote(luis, first)
	late := heavy(t, 5)
	encoding, unwanted := n.upload(ana, heavy(t, 3)), luis.upload("Se borra", heavy(t, 4))
	ana.midway(encoding)

	// The pipe holds the rows and no whole file: so long the backup stands still.
	r, w := pipe(t)
	p := f.piped(nil, w, "backup")
	require.NoError(t, w.Close())
	archive := filepath.Join(f.dir, "anb.backup")
	out, err := os.OpenFile(archive, os.O_CREATE|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	_, err = io.CopyN(out, r, 512)
	require.NoError(t, err)
	ana.object(http.StatusOK, http.MethodPost, "/api/public/videos/"+second+"/vote", nil)
	luis.upload("Muy tarde", late)
	luis.object(http.StatusOK, http.MethodDelete, "/api/videos/"+unwanted, nil)
	_, err = io.Copy(out, r)
	require.NoError(t, err)
	require.NoError(t, out.Close())
	require.Zero(t, p.wait(time.Minute), p.out.String())
	require.Contains(t, p.out.String(), "left out: 1 videos")
	require.Contains(t, p.out.String(), "backed up: ")
	require.Contains(t, f.must(0, "restore", "--check", archive), "the archive is whole")
	require.Contains(t, f.must(1, "restore", archive), "the database is not empty")

	to := elsewhere(t, slices.Concat(quick, slow(t))...)
	require.Contains(t, to.must(0, "restore", archive), "restored: ")
	api := to.run("serve")
	to.worker()
	n.require(t, api.base())
	status, _, _ := newClient(t, api.base()).as(luis.token).do(http.MethodGet, "/api/videos/"+unwanted, "", nil)
	require.Equal(t, http.StatusNotFound, status, "it was deleted")
	require.Equal(t, []string{"released", "done"}, to.attempts(encoding))
	require.Contains(t, to.must(0, "doctor"), "all is well with 3 videos")
	to.must(0, "janitor")
}

// small is a platform with two videos that nobody has processed, and its archive.
func small(t *testing.T) (f *fleet, archive string) {
	t.Helper()
	f = newFleet(t, binary(t), quick...)
	c := newClient(t, f.run("serve").base()).join("Ana", "Cali")
	for seed := range 2 {
		c.upload("Triple", heavy(t, 10+seed))
	}
	archive = filepath.Join(f.dir, "anb.backup")
	require.Contains(t, f.must(0, "backup", "--to", archive), "2 files")
	return f, archive
}

func (f *fleet) originals() []string {
	f.t.Helper()
	found, err := filepath.Glob(filepath.Join(f.dir, "uploads", "[0-9a-z]*"))
	require.NoError(f.t, err)
	return found
}

func TestRestore_LeavesNothingWhenItIsEnded(t *testing.T) {
	t.Parallel()
	_, archive := small(t)
	data, err := os.ReadFile(archive)
	require.NoError(t, err)
	to := elsewhere(t, quick...)
	// midway runs a restore that waits for the rest of its second file.
	midway := func() (p *process, rest *os.File) {
		r, w := pipe(t)
		p = to.piped(r, nil, "restore", "-")
		require.NoError(t, r.Close())
		_, err := w.Write(data[:len(data)-100_000]) // amid the second file
		require.NoError(t, err)
		require.Eventually(t, func() bool { return len(to.originals()) == 2 }, patience, 20*time.Millisecond, "a witness and a file")
		return p, w
	}
	p, rest := midway()
	p.signal(syscall.SIGTERM)
	require.Equal(t, 1, p.wait(time.Minute))
	p.said("interrupted, nothing is restored")
	require.Empty(t, to.originals())
	require.NoError(t, rest.Close())

	p, rest = midway()
	require.NoError(t, rest.Close())
	require.Equal(t, 1, p.wait(time.Minute))
	p.said("damaged or cut off")
	require.Empty(t, to.originals())

	p, rest = midway()
	p.signal(syscall.SIGKILL)
	require.Equal(t, -1, p.wait(time.Minute))
	require.NoError(t, rest.Close())
	require.Len(t, to.originals(), 2, "nobody could remove them")
	to.must(1, "janitor") // nor does it: they may be all that is left

	require.Contains(t, to.must(0, "restore", archive), "2 files")
	require.Len(t, to.originals(), 3)
	require.Contains(t, to.must(0, "doctor"), "all is well with 2 videos")
	to.must(0, "janitor")
}

func TestBackup_SaysWhyItCannotWrite(t *testing.T) {
	t.Parallel()
	f, _ := small(t)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	require.NoError(t, err)
	defer func() { require.NoError(t, full.Close()) }()
	p := f.piped(nil, full, "backup")
	require.Equal(t, 1, p.wait(time.Minute))
	p.said("write the archive: .*no space left on device")

	r, w := pipe(t)
	p = f.piped(nil, w, "backup")
	require.NoError(t, w.Close())
	_, err = io.CopyN(io.Discard, r, 512)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	require.Equal(t, 1, p.wait(time.Minute))
	p.said("write the archive: .*broken pipe")

	r, w = pipe(t)
	p = f.piped(nil, w, "backup")
	_, err = io.CopyN(io.Discard, r, 512) // and no more: it stands still
	require.NoError(t, err)
	p.signal(syscall.SIGTERM)
	require.Equal(t, 1, p.wait(10*time.Second))
	p.said("interrupted, the archive is not whole")

	// A file that takes a while.
	video := f.originals()[0]
	require.NoError(t, os.Truncate(video, 16<<30))
	long := filepath.Join(f.dir, "long.backup")
	p = f.run("backup", "--to", long)
	require.Eventually(t, func() bool { _, err := os.Stat(long + ".part"); return err == nil }, patience, time.Millisecond)
	p.signal(syscall.SIGTERM)
	require.Equal(t, 1, p.wait(10*time.Second))
	p.said("interrupted, the archive is not whole")
	require.NoFileExists(t, long+".part")
	require.NoFileExists(t, long)
	require.NoError(t, os.Truncate(video, 5))
	require.Contains(t, f.must(1, "backup", "--to", long), "the archive is whole, but 1 files are not as their rows say")
	require.FileExists(t, long)
}
