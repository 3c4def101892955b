// Package backup makes one archive of the database and the files while
// everything goes on, and reads it into an empty platform.
//
// An archive is a tar file, which any tar can look into:
//
//	manifest.json            what it is, its tables and their columns
//	tables/votes/00001.gz    rows as COPY writes them, in parts
//	files/originals/<key>    sorted by key, and then files/processed/<key>
//	sums/00001               after each thousand files their SHA-256, as sha256sum -c reads it
//	trailer.json             how much there must be, and what could not be had
//	sha256                   of every byte before it, the contents of files excepted: sums has those
//
// So one that is cut off or altered anywhere is noticed. It holds everything
// that the database does: password hashes, e-mail addresses, sessions. It holds
// no secret of the configuration.
package backup

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"anb/platform/database"
	"anb/platform/storage"
)

// format is what this program writes, and all it reads.
const format = 1

// oldest is the schema of the first program that made archives.
const oldest = 10

// What callers tell apart; compare with errors.Is.
var (
	// ErrDamaged means that the archive is cut off, altered or none of ours.
	ErrDamaged = errors.New("the archive is damaged or cut off")
	// ErrDialect means that the database is not PostgreSQL.
	ErrDialect = errors.New("backups are of PostgreSQL; to keep what anb dev has, stop it and copy its folder")
	// ErrOccupied means that the database has rows already.
	ErrOccupied = errors.New("the database is not empty; restore into a new one")
	// ErrBusy means that another restore runs, or that roles write.
	ErrBusy = errors.New("the database is in use; stop every other anb first, restores too")
	// ErrVersion means that the program is too old for what it was given.
	ErrVersion = errors.New("this program is too old")
)

// Platform is what is backed up and restored.
type Platform struct {
	DB        *database.DB
	Originals storage.Store
	Processed storage.Store
	Version   string // of the program
	Log       *slog.Logger
	// Pause is how long what failed with a file waits for its next try; 0: a second.
	Pause time.Duration
	// oldest is for tests, whose archives may be of an older schema; 0: oldest.
	oldest int64
}

// Summary is what an archive holds, or what was read from it.
type Summary struct {
	Made  time.Time // when the archive was begun
	By    string    // the program that made it
	Rows  int64
	Files int64
	Bytes int64 // of files
	Gone  int   // videos that were deleted before the archive ended
	Flaws []Flaw
}

// Flaw is a file that the archive could not have as its row says.
type Flaw struct {
	Place  string    `json:"place"` // originals or processed
	Key    string    `json:"key"`
	Video  uuid.UUID `json:"video"`
	State  string    `json:"state"`  // missing, unreadable or other
	Detail string    `json:"detail"` // English, maxDetail bytes at most
}

// The states of flaws.
const (
	missing    = "missing"    // it is not in the archive
	unreadable = "unreadable" // what is in the archive is of no use
	other      = "other"      // it is in the archive as it was, which its row contradicts
)

// String is a line for operators.
func (f Flaw) String() string {
	return fmt.Sprintf("%s: %s %s of video %s: %q", f.State, f.Place, f.Key, f.Video, f.Detail)
}

// manifest begins an archive.
type manifest struct {
	Format   int       `json:"format"`
	Program  string    `json:"program"`
	Schema   int64     `json:"schema"` // version of the last migration
	At       time.Time `json:"at"`     // of the snapshot, by the database's clock
	Database string    `json:"database"`
	Server   string    `json:"server"` // PostgreSQL's version
	Tables   []table   `json:"tables"`
}

// table is a table with its columns in the order of its rows.
type table struct {
	Name    string   `json:"name"`
	Columns []string `json:"columns"`
}

// trailer ends an archive, before the sum of it all.
type trailer struct {
	Rows  map[string]int64 `json:"rows"` // of each table
	Files int64            `json:"files"`
	Bytes int64            `json:"bytes"` // of files
	Gone  []uuid.UUID      `json:"gone"`  // videos deleted before it was written
	Flaws []Flaw           `json:"flaws"`
}

func summary(m manifest, t trailer) Summary {
	s := Summary{Made: m.At, By: m.Program, Files: t.Files, Bytes: t.Bytes, Gone: len(t.Gone), Flaws: t.Flaws}
	for _, n := range t.Rows {
		s.Rows += n
	}
	return s
}

// The names of entries.
const (
	manifestName = "manifest.json"
	trailerName  = "trailer.json"
	endName      = "sha256"
	tablesPrefix = "tables/"
	filesPrefix  = "files/"
	sumsPrefix   = "sums/"
)

// The places of files, in the order of an archive.
const (
	originals = "originals"
	processed = "processed"
)

func (p Platform) store(place string) storage.Store {
	if place == originals {
		return p.Originals
	}
	return p.Processed
}

func (p Platform) pause() time.Duration {
	if p.Pause > 0 {
		return p.Pause
	}
	return time.Second
}
