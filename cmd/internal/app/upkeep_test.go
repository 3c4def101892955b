package app

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/platform/audit"
	"anb/platform/database"
)

func TestRepair_LeavesOnlyWhatNobodyCanDecide(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		a, _ := open(t, "sqlite:"+filepath.Join(t.TempDir(), "x.db"))
		require.NoError(t, a.db.Close())
		a.db = d
		do := func(sql string, args ...any) { require.NoError(t, d.Write(t.Context()).Exec(sql, args...).Error) }
		now, player, video := database.At(time.Now()), uuid.New(), uuid.New()
		do(`INSERT INTO users (id, email, email_key, password_hash, first_name, last_name, city, city_key, country, created_at, updated_at)
			VALUES (?, 'a', 'a', 'x', 'Ana', 'Gil', 'Cali', 'cali', 'Colombia', ?, ?)`, player, now, now)
		do(`INSERT INTO videos (id, user_id, title, status, city_key, search_key, original_key, original_bytes, original_sha256, uploaded_at, vote_count)
			VALUES (?, ?, 't', 'uploaded', 'cali', 't', 'gone.mp4', 1, 'x', ?, 3)`, video, player, now)
		stray := filepath.Join(a.config.Storage.Originals, "stray.mp4")
		require.NoError(t, os.WriteFile(stray, nil, 0o600))
		old := time.Now().Add(-time.Hour)
		require.NoError(t, os.Chtimes(stray, old, old))

		var done, left []string
		require.NoError(t, a.Repair(t.Context(), func(f audit.Finding) { done = append(done, f.String()) }))
		require.Equal(t, []string{
			"counter of video " + video.String() + ": said 3, and says 0 now, as many as there are votes",
			"job of video " + video.String() + ": video has a job again",
		}, done)
		_, err := a.Audit(t.Context(), true, func(f audit.Finding) { left = append(left, f.String()) })
		require.NoError(t, err)
		require.Equal(t, []string{
			"original of video " + video.String() + ": gone.mp4 is missing",
			"file stray.mp4: no row refers to it; see: anb janitor --dry-run",
		}, left)
		require.FileExists(t, stray)
	})
}
