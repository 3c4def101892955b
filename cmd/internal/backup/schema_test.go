package backup

import (
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/pressly/goose/v3"
	"github.com/stretchr/testify/require"

	"anb/db"
	"anb/db/dbtest"
	"anb/platform/database"
)

func TestTables_AreAllOfTheSchema(t *testing.T) {
	t.Parallel()
	s := empty(t)
	var all []string
	rows, err := s.pool.QueryContext(t.Context(), "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'")
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var name string
		require.NoError(t, rows.Scan(&name))
		all = append(all, name)
	}
	require.NoError(t, rows.Err())
	require.ElementsMatch(t, all, slices.Concat(tables, fleeting, []string{"goose_db_version"}), "a table is neither in archives nor known to be left out")
	require.Subset(t, tables, telling)
	// An archive has no counters: whoever makes a column of these kinds teaches it.
	require.Equal(t, "0", s.ask(`SELECT count(*) FROM information_schema.columns WHERE table_schema = 'public' AND table_name = ANY($1)
		AND (is_identity = 'YES' OR is_generated <> 'NEVER' OR column_default LIKE 'nextval%')`, tables))
}

// provider migrates the platform's database.
func (s *site) provider() *goose.Provider {
	s.t.Helper()
	p, err := db.Provider(s.pool, string(database.Postgres), slog.New(slog.DiscardHandler))
	require.NoError(s.t, err)
	return p
}

// older is a platform at a version of the schema, and its archive as the program
// of that time would have made it.
func older(t *testing.T, version int64, live func(*site)) (*site, []byte) {
	t.Helper()
	s := newSite(t, dbtest.PostgresURL(t, false))
	_, err := s.provider().UpTo(t.Context(), version)
	require.NoError(t, err)
	live(s)
	var m manifest
	end := &trailer{Rows: map[string]int64{}}
	var named []file
	require.NoError(t, onConn(t.Context(), s.pool, func(c *pgx.Conn) error {
		return pgx.BeginFunc(t.Context(), c, func(tx pgx.Tx) (err error) {
			if m.Tables, err = layout(t.Context(), tx); err == nil {
				named, err = files(t.Context(), tx, false)
			}
			return err
		})
	}))
	m.Format, m.Schema, m.Program = format, version, "anb 0.9"
	archive := forged(t, m, func(w *writer) {
		for _, of := range m.Tables {
			out := w.table(of.Name)
			require.NoError(t, onConn(t.Context(), s.pool, func(c *pgx.Conn) error {
				tag, err := c.PgConn().CopyTo(t.Context(), out, "COPY "+of.columns()+" TO STDOUT")
				end.Rows[of.Name] = tag.RowsAffected()
				return err
			}))
			require.NoError(t, out.Close())
		}
		for _, f := range named {
			o, err := s.store(f.Place).Open(t.Context(), f.Key)
			require.NoError(t, err)
			_, torn, err := w.file(f.Place, f.Key, o.Info().Size, o)
			require.NoError(t, err)
			require.NoError(t, torn)
			end.Files++
			end.Bytes += o.Info().Size
			require.NoError(t, o.Close())
		}
	}, end)
	return s, archive
}

// person makes Ana as every version knows her.
func (s *site) person() {
	s.t.Helper()
	s.exec(`INSERT INTO users (id, email, email_key, password_hash, first_name, last_name, city, city_key, country, created_at, updated_at)
		VALUES ($1, $2, $2, 'argon2', 'Ana', 'Prueba', 'Cali', 'cali', 'Colombia', now(), now())`, ana.String(), "ana@example.org")
}

func TestLoad_BringsOlderArchivesUpToDate(t *testing.T) {
	t.Parallel()
	newest, err := db.Newest(empty(t).pool, string(database.Postgres))
	require.NoError(t, err)
	old := func(s *site) { // what the first version knows
		s.person()
		sha := s.put(s.Originals, running.String()+".mp4", 70_000)
		s.exec(`INSERT INTO videos (id, user_id, title, status, city_key, search_key, original_key, original_bytes, original_sha256, uploaded_at)
			VALUES ($1, $2, 'Triple', 'processing', 'cali', 'triple', $3, 70000, $4, now())`, running.String(), ana.String(), running.String()+".mp4", sha)
		s.exec(`INSERT INTO jobs (id, video_id, queue, state, attempt, max_attempts, fence, lease_until, run_after, created_at)
			VALUES ($1, $1, 'video_queue', 'running', 1, 3, 1, now(), now(), now())`, running.String())
	}
	for version, live := range map[int64]func(*site){1: old, newest - 1: old, newest: (*site).live} {
		from, archive := older(t, version, live)
		for name, url := range map[string]string{"current": dbtest.PostgresURL(t, true), "none": dbtest.PostgresURL(t, false)} {
			to := newSite(t, url)
			to.oldest = 1
			_, err := to.load(archive)
			require.NoError(t, err, "version %d into %s", version, name)
			require.NoError(t, db.Check(t.Context(), to.pool, string(database.Postgres)))
			require.Equal(t, from.rows("users"), to.rows("users"))
			require.Len(t, to.rows("videos"), len(from.rows("videos")))
			require.Equal(t, "queued 0", to.ask("SELECT state || ' ' || attempt FROM jobs WHERE id = $1", running.String()))
		}
		to := empty(t)
		to.oldest = 1
		_, err := to.load(archive[:len(archive)-1])
		require.ErrorIs(t, err, ErrDamaged)
		to.requireUntouched() // the schema too
	}
}

func TestLoad_LeavesAnOlderDatabaseThatIsInUseAsItIs(t *testing.T) {
	t.Parallel()
	archive := lived(t).archive()
	to := newSite(t, dbtest.PostgresURL(t, false))
	_, err := to.provider().UpTo(t.Context(), 9)
	require.NoError(t, err)
	to.person()
	_, err = to.load(archive)
	require.ErrorIs(t, err, ErrOccupied)
	version, err := to.provider().GetDBVersion(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 9, version, "its own program goes on")
}

func TestPlatform_RefusesANewerDatabase(t *testing.T) {
	t.Parallel()
	archive := lived(t).archive()
	s := empty(t)
	s.exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, true)")
	_, err := s.Save(t.Context(), io.Discard)
	require.ErrorIs(t, err, ErrVersion)
	require.ErrorContains(t, err, "its schema is 999")
	_, err = s.load(archive)
	require.ErrorIs(t, err, ErrVersion)
}

func TestSave_WaitsForAMigration(t *testing.T) {
	t.Parallel()
	s := lived(t)
	newest := s.ask("SELECT max(version_id) FROM goose_db_version")
	s.exec("DELETE FROM goose_db_version WHERE version_id = $1::int", newest)
	migration, err := s.pool.Conn(t.Context())
	require.NoError(t, err)
	defer migration.Close()
	_, err = migration.ExecContext(t.Context(), "SELECT pg_advisory_lock($1)", db.Lock)
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() {
		_, err := s.Save(t.Context(), io.Discard)
		done <- err
	}()
	require.Eventually(t, func() bool {
		return s.ask("SELECT count(*) FROM pg_locks WHERE NOT granted") != "0"
	}, lockPatience, 5*time.Millisecond)
	s.exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES ($1::int, true)", newest)
	_, err = migration.ExecContext(t.Context(), "SELECT pg_advisory_unlock($1)", db.Lock)
	require.NoError(t, err)
	require.NoError(t, <-done, "it sees what the migration did")
}

func TestSave_HoldsUpNobodyBehindAMigration(t *testing.T) {
	t.Parallel()
	s := lived(t)
	other := newSiteOn(t, s.url, s.places...)
	migrated := make(chan error, 1)
	begun := false
	_, err := s.Save(t.Context(), writerFunc(func(p []byte) (int, error) {
		if !begun { // the tables are in use
			begun = true
			p := other.provider()
			go func() {
				_, err := p.Down(t.Context())
				migrated <- err
			}()
			require.Eventually(t, func() bool {
				return s.ask(`SELECT (SELECT count(*) FROM pg_locks WHERE NOT granted) + (SELECT count(*) FROM pg_stat_activity
					WHERE datname = current_database() AND query LIKE '%pg_try_advisory_lock%' AND pid <> pg_backend_pid())`) != "0"
			}, lockPatience, 5*time.Millisecond)
			_, err := other.pool.ExecContext(t.Context(), "SET lock_timeout = '200ms'; UPDATE jobs SET fence = fence")
			require.NoError(t, err)
		}
		return len(p), nil
	}))
	require.NoError(t, err)
	require.NoError(t, <-migrated)
}

func TestPlatform_IsNotAtTheMercyOfTheServersSettings(t *testing.T) {
	t.Parallel()
	from, to := lived(t), empty(t)
	from.exec("UPDATE jobs SET speed = 1 / 3.0, run_after = '2026-02-03 04:05:06.789012+00' WHERE state = 'dead'")
	odd := func(s *site, datestyle string) *site { // whose later sessions have other settings
		s.exec(`DO $$ BEGIN
			EXECUTE format('ALTER DATABASE %I SET datestyle = SQL, ` + datestyle + `', current_database());
			EXECUTE format('ALTER DATABASE %I SET extra_float_digits = -3', current_database());
		END $$`)
		return newSiteOn(t, s.url, s.places...)
	}
	source, target := odd(from, "DMY"), odd(to, "MDY")
	require.Equal(t, "SQL, DMY", source.ask("SHOW datestyle"))
	_, err := target.load(source.archive())
	require.NoError(t, err)
	require.Equal(t, from.rows("votes"), to.rows("votes"))
	const dead = "SELECT speed::text || run_after FROM jobs WHERE state = 'dead'"
	require.Equal(t, from.ask(dead), to.ask(dead))
}

func TestLoad_RunsOnceAtATime(t *testing.T) {
	t.Parallel()
	archive := lived(t).archive()
	to := empty(t)
	second := newSiteOn(t, to.url, to.places...)
	half := bytesThen(archive, len(archive)/2, func() {
		_, err := second.load(archive)
		require.ErrorIs(t, err, ErrBusy)
		_, err = second.pool.ExecContext(t.Context(), "SET lock_timeout = '50ms'; INSERT INTO queue_pauses (queue, reason, who, since) VALUES ('x', '', '', now())")
		require.ErrorContains(t, err, "lock timeout", "roles wait")
	})
	_, err := to.Load(t.Context(), half)
	require.NoError(t, err)
	require.Len(t, to.rows("videos"), 6)
	_, err = second.load(archive)
	require.ErrorIs(t, err, ErrOccupied)
}

func TestLoad_IsUndoneWhenTheServerEndsIt(t *testing.T) {
	t.Parallel()
	archive := lived(t).archive()
	to := empty(t)
	admin := newSiteOn(t, to.url, to.places...)
	at := regions(t, archive)
	for _, name := range []string{partName("users", 1), partName("videos", 1), filesPrefix + originals + "/" + running.String() + ".mp4"} {
		_, err := to.Load(t.Context(), bytesThen(archive, at[name], func() {
			admin.exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction' OR query LIKE 'COPY%'")
		}))
		require.Error(t, err, name)
		require.NotErrorIs(t, err, ErrDamaged, name)
		to.requireUntouched()
	}
}

func TestLoad_SaysWhatToDoWhenNobodyKnowsWhetherItWasDone(t *testing.T) {
	t.Parallel()
	from, archive := older(t, 9, (*site).person)
	to := empty(t)
	to.oldest = 1
	to.exec("CREATE FUNCTION away() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(60); RETURN NULL; END'")
	to.exec("CREATE CONSTRAINT TRIGGER away AFTER INSERT ON users DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION away()")
	_, err := to.load(archive)
	require.ErrorContains(t, err, "nobody knows whether it was done; run: anb migrate up, then: anb doctor")
	require.ErrorIs(t, db.Check(t.Context(), to.pool, string(database.Postgres)), db.ErrOldSchema, "doctor would not start")

	_, err = to.provider().Up(t.Context())
	require.NoError(t, err)
	to.exec("DROP FUNCTION away CASCADE")
	_, err = to.load(archive)
	require.NoError(t, err)
	require.Equal(t, from.rows("users"), to.rows("users"))
}

// bytesThen reads data, and calls f once after so many bytes.
func bytesThen(data []byte, after int, f func()) io.Reader {
	called := false
	return io.MultiReader(strings.NewReader(string(data[:after])), readerFunc(func([]byte) (int, error) {
		if !called {
			called = true
			f()
		}
		return 0, io.EOF
	}), strings.NewReader(string(data[after:])))
}
