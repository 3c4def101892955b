package backup

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"anb/db"
	"anb/platform/database"
	"anb/platform/storage"
)

// lockPatience is how long a backup waits for a migration that runs.
const lockPatience = 30 * time.Second

// Save writes an archive to w: of the database as it is at one moment, and of
// the files that its rows name then. Everything else goes on meanwhile, only
// migrations wait until the rows are read. A video that is deleted before the
// archive ends is noted, and will not be restored.
//
// A file that is damaged, unreadable or missing although its row is there is a
// flaw: the archive is complete all the same, and has what could be had. After
// an error what was written is of no use.
func (p Platform) Save(ctx context.Context, w io.Writer) (Summary, error) {
	if p.DB.Dialect() != database.Postgres {
		return Summary{}, ErrDialect
	}
	pool, err := p.DB.SQL()
	if err != nil {
		return Summary{}, err
	}
	s := &saver{Platform: p, pool: pool, out: newWriter(ctx, w, &pulse{log: p.Log})}
	err = onConn(ctx, pool, func(c *pgx.Conn) error {
		// A migration asks for this lock now and then. Without it, it would wait for
		// the tables, and everybody else behind it.
		return holding(ctx, c, db.Lock, true, lockPatience, func() error { return s.database(ctx, c) })
	})
	if errors.Is(err, ErrBusy) {
		return Summary{}, errors.New("a migration runs; back up again when it has ended")
	}
	if err != nil {
		return Summary{}, fmt.Errorf("back up the database: %w", err)
	}
	for _, f := range s.files {
		if err := s.file(ctx, f); err != nil {
			return Summary{}, fmt.Errorf("back up %s %s: %w", f.Place, f.Key, err)
		}
	}
	if err := s.deleted(ctx); err != nil {
		return Summary{}, err
	}
	if err := s.out.end(s.trailer); err != nil {
		return Summary{}, err
	}
	return summary(s.manifest, s.trailer), nil
}

type saver struct {
	Platform
	pool     *sql.DB
	out      *writer
	manifest manifest
	trailer  trailer
	files    []file
}

// database writes the manifest and the tables, all of one moment, and lists
// the files.
func (s *saver) database(ctx context.Context, c *pgx.Conn) error {
	return pgx.BeginTxFunc(ctx, c, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if err := unlimited(ctx, tx, lockPatience); err != nil {
			return err
		}
		all, err := layout(ctx, tx)
		if err != nil {
			return fmt.Errorf("list tables: %w", err)
		}
		// Whoever changes them by hand waits.
		if _, err := tx.Exec(ctx, "LOCK TABLE "+named(all)+" IN ACCESS SHARE MODE"); err != nil {
			return fmt.Errorf("lock tables: %w", err)
		}
		if err := s.begin(ctx, tx, all); err != nil {
			return err
		}
		if s.files, err = files(ctx, tx, true); err != nil {
			return err
		}
		s.trailer = trailer{Rows: map[string]int64{}, Gone: []uuid.UUID{}, Flaws: []Flaw{}}
		for _, t := range all {
			out := s.out.table(t.Name)
			tag, err := tx.Conn().PgConn().CopyTo(ctx, out, "COPY "+t.columns()+" TO STDOUT")
			if err == nil {
				err = out.Close()
			}
			if err != nil {
				return fmt.Errorf("table %s: %w", t.Name, err)
			}
			s.trailer.Rows[t.Name] = tag.RowsAffected()
		}
		return nil
	})
}

// begin writes the manifest.
func (s *saver) begin(ctx context.Context, tx pgx.Tx, all []table) error {
	m := manifest{Format: format, Program: "anb " + s.Version, Tables: all}
	err := tx.QueryRow(ctx, `SELECT (SELECT max(version_id) FROM goose_db_version), now(), current_database()::text, current_setting('server_version')`).
		Scan(&m.Schema, &m.At, &m.Database, &m.Server)
	if err != nil {
		return fmt.Errorf("look at the database: %w", err)
	}
	newest, err := db.Newest(s.pool, string(database.Postgres))
	if err != nil {
		return err
	}
	if m.Schema != newest || len(all) != len(tables) {
		return fmt.Errorf("%w for the database: its schema is %d, and this is for %d; use the anb that migrated it", ErrVersion, m.Schema, newest)
	}
	m.At = m.At.UTC()
	s.manifest = m
	return s.out.manifest(m)
}

// file writes a file, or notes why not. It fails when nothing more can be had.
func (s *saver) file(ctx context.Context, f file) error {
	if slices.Contains(s.trailer.Gone, f.Video) {
		return nil
	}
	src, err := openSource(ctx, s.store(f.Place), f.Key, s.pause())
	var head []byte
	if err == nil {
		defer src.Close()
		head, err = first(src) // a bucket may say only now that there is nothing
	}
	if err != nil {
		return s.failed(ctx, f, missing, err)
	}
	size := src.info.Size
	sha, torn, err := s.out.file(f.Place, f.Key, size, io.MultiReader(bytes.NewReader(head), src))
	if err != nil {
		return err
	}
	s.trailer.Files++
	s.trailer.Bytes += size
	switch {
	case torn != nil:
		return s.failed(ctx, f, unreadable, torn)
	case f.Bytes != nil && *f.Bytes != size:
		s.flaw(f, other, fmt.Sprintf("it has %d bytes instead of %d", size, *f.Bytes))
	case f.SHA256 != nil && *f.SHA256 != sha:
		s.flaw(f, other, "it has other content than was stored: SHA-256 "+sha)
	}
	return nil
}

// failed notes why a file could not be read to its end. One file must not keep
// the others from being saved, but a storage that is away does.
func (s *saver) failed(ctx context.Context, f file, state string, why error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if errors.Is(why, storage.ErrNotExist) {
		gone, err := s.gone(ctx, f)
		if err != nil {
			return err
		}
		if gone {
			s.trailer.Gone = append(s.trailer.Gone, f.Video)
			return nil
		}
	}
	if err := s.store(f.Place).Check(ctx); err != nil && !errors.Is(err, storage.ErrFull) {
		return errors.Join(why, err)
	}
	s.flaw(f, state, why.Error())
	return nil
}

// first reads the beginning of a file.
func first(r io.Reader) ([]byte, error) {
	head := make([]byte, 4<<10)
	n, err := r.Read(head)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return head[:n], err
}

// maxDetail is what of a flaw's detail is kept: a bucket says much, a million times.
const maxDetail = 200

func (s *saver) flaw(f file, state, detail string) {
	detail = strings.ToValidUTF8(detail[:min(len(detail), maxDetail)], "")
	s.trailer.Flaws = append(s.trailer.Flaws, Flaw{Place: f.Place, Key: f.Key, Video: f.Video, State: state, Detail: detail})
}

// deleted notes the videos that are no more, also those whose files were copied
// before: their deletion was acknowledged.
func (s *saver) deleted(ctx context.Context) error {
	if len(s.files) == 0 {
		return nil
	}
	seen := map[uuid.UUID]bool{}
	for _, f := range s.files {
		seen[f.Video] = true
	}
	err := onConn(ctx, s.pool, func(c *pgx.Conn) error {
		rows, err := c.Query(ctx, "SELECT id FROM unnest($1::uuid[]) id WHERE NOT EXISTS (SELECT 1 FROM videos v WHERE v.id = id.id)",
			slices.Collect(maps.Keys(seen)))
		if err != nil {
			return err
		}
		gone, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		for _, id := range gone {
			if !slices.Contains(s.trailer.Gone, id) {
				s.trailer.Gone = append(s.trailer.Gone, id)
			}
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("look for videos that were deleted: %w", err)
	}
	s.trailer.Flaws = slices.DeleteFunc(s.trailer.Flaws, func(f Flaw) bool { return slices.Contains(s.trailer.Gone, f.Video) })
	return nil
}

// gone reports whether no row names the file any more.
func (s *saver) gone(ctx context.Context, f file) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var there bool
	err := s.pool.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM videos WHERE id = $1 AND $2 IN (original_key, processed_key, thumbnail_key))",
		f.Video.String(), f.Key).Scan(&there)
	if err != nil {
		return false, fmt.Errorf("look for its video: %w", err)
	}
	return !there, nil
}
