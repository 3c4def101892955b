package processing

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/platform/audit"
	"anb/platform/database"
)

// withVideos adds a player, and returns what adds unprocessed videos of theirs.
func withVideos(t *testing.T, d *database.DB) (add func() uuid.UUID) {
	t.Helper()
	player, now := uuid.New(), database.At(time.Now())
	do := func(sql string, args ...any) { require.NoError(t, d.Write(t.Context()).Exec(sql, args...).Error) }
	do(`INSERT INTO users (id, email, email_key, password_hash, first_name, last_name, city, city_key, country, created_at, updated_at)
		VALUES (?, 'a', 'a', 'x', 'Ana', 'Gil', 'Cali', 'cali', 'Colombia', ?, ?)`, player, now, now)
	return func() uuid.UUID {
		id := uuid.New()
		do(`INSERT INTO videos (id, user_id, title, status, city_key, search_key, original_key, original_bytes, original_sha256, uploaded_at)
			VALUES (?, ?, 't', 'uploaded', 'cali', 't', ?, 1, 'x', ?)`, id, player, id.String(), now)
		return id
	}
}

func TestAudit_NamesJobsThatNobodyCarriesOn(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		now := time.Now()
		audited := func() (findings []string) {
			require.NoError(t, Audit(t.Context(), d, now, func(f audit.Finding) { findings = append(findings, f.String()) }))
			return findings
		}
		do := func(sql string, args ...any) {
			t.Helper()
			require.NoError(t, d.Write(t.Context()).Exec(sql, args...).Error)
		}
		video := withVideos(t, d)
		task, id := uuid.New(), video()
		lost := "job of video " + id.String() + ": video waits, but nobody will process it"
		require.Equal(t, []string{lost}, audited(), "it never had a job")
		require.NoError(t, store{d}.enqueue(t.Context(), task, id, Config{Queue: "q", MaxAttempts: 3}, now))
		require.Empty(t, audited())

		job := "job " + task.String() + " of video " + id.String() + ": "
		now = now.Add(16 * time.Minute)
		require.Equal(t, []string{job + "has been due for more than 15m0s: is a worker running?"}, audited())
		do("UPDATE jobs SET state = 'running', lease_until = ?", database.At(now.Add(-time.Second)))
		require.Empty(t, audited(), "a sweeper will find it")
		now = now.Add(2 * time.Minute)
		require.Equal(t, []string{job + "runs without a lease: its worker is gone and no other has found it"}, audited())

		do("UPDATE jobs SET lease_until = ?", database.At(now))
		do("UPDATE videos SET status = 'failed', failure_code = 'TIMEOUT' WHERE id = ?", id)
		require.Equal(t, []string{job + "is active although its video is finished"}, audited())
		do("UPDATE jobs SET state = 'dead', lease_until = NULL")
		require.Empty(t, audited())
		do("UPDATE videos SET status = 'processing', failure_code = NULL WHERE id = ?", id)
		require.Equal(t, []string{lost}, audited())
		do("UPDATE videos SET status = 'processed', processed_at = ?, processed_key = 'v', thumbnail_key = 't' WHERE id = ?", database.At(now), id)
		require.Equal(t, []string{"job of video " + id.String() + ": video is published, but no job made it"}, audited())
		do("UPDATE jobs SET state = 'done'")
		require.Empty(t, audited())
	})
}

func TestAuditProcesses_NamesThoseOfDeadWorkers(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	found := func() (findings []string) {
		require.NoError(t, AuditProcesses(root, func(f audit.Finding) { findings = append(findings, f.String()) }))
		return findings
	}
	s, err := newScratch(root, "w1")
	require.NoError(t, err)
	work := filepath.Join(s.own, "encode")
	require.NoError(t, os.Mkdir(work, 0o750))
	child := exec.CommandContext(t.Context(), "sleep", "60")
	child.Dir = work
	require.NoError(t, child.Start())
	t.Cleanup(func() { _ = child.Process.Kill(); _ = child.Wait() })
	require.Empty(t, found(), "its worker lives")
	require.NoError(t, s.lock.Close())
	want := fmt.Sprintf("process %d (sleep): works in %s of a worker that is dead", child.Process.Pid, s.own)
	require.Equal(t, []string{want}, found())
	require.Equal(t, []string{want}, found(), "a look changes nothing")
	require.NoError(t, AuditProcesses(filepath.Join(root, "none"), nil))
	require.Error(t, AuditProcesses(filepath.Join(s.own, lockName), nil))
}
