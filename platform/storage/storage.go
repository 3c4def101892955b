// Package storage keeps whole files under keys of our own making: on a disk,
// in S3, or in memory. A file is there whole or not at all.
//
// Writing goes through a staged file: Stage makes an empty local file, the
// caller fills and examines it, and Commit turns it into an object. What was
// staged by a process that has died is removed by Sweep.
package storage

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"
)

// What callers tell apart; everything else is the medium failing, and worth
// another try later. Compare with errors.Is.
var (
	// ErrNotExist means that there is no object under the key.
	ErrNotExist = errors.New("no such object")
	// ErrExist means that the key is taken; the object there is unharmed.
	ErrExist = errors.New("object exists already")
	// ErrFull means that there is no room: disk or quota.
	ErrFull = errors.New("storage is full")
	// ErrBadKey means that the key breaks the rules of CheckKey.
	ErrBadKey = errors.New("bad storage key")
	// ErrArchived means that the object is in an archive of S3, from where its
	// owner must first bring it back; that may take hours.
	ErrArchived = errors.New("object is archived")
	// ErrRefused means that the store answers and wants nothing of us: there is
	// no such bucket, or the region, the keys or our clock are wrong. Somebody
	// must mend it.
	ErrRefused = errors.New("storage refuses us")
	// ErrDone means that the staged file was committed or discarded before.
	ErrDone = errors.New("staged file is gone")
)

// Store keeps whole files under keys; CheckKey has the rules of keys, and every
// method with a key fails with ErrBadKey when they are broken. A Store is safe
// for concurrent use, also by several processes.
type Store interface {
	// Stage makes an empty temporary file on a local disk, the store's own if
	// it has one. The caller ends it with Commit or Discard.
	Stage(ctx context.Context) (*Staged, error)

	// Open opens the object for reading; the caller closes it. Reads may fail
	// once ctx has ended. It fails with ErrNotExist; it and reads fail with
	// ErrArchived or ErrRefused when another try is no use.
	Open(ctx context.Context, key string) (Object, error)

	// Fetch returns the path of a local file with the object's content, to be
	// read only. A disk returns its own file, which the caller must neither
	// change nor remove; others download into dir, which belongs to the caller,
	// whole or not at all. It fails with ErrNotExist.
	Fetch(ctx context.Context, key, dir string) (path string, err error)

	// Delete removes the object. That there is none is not an error.
	Delete(ctx context.Context, key string) error

	// URL returns a signed address from which anybody can read the object for
	// ttl (at most seven days), or "" when the store has no addresses that
	// everybody reaches and the caller has to serve the file. It does not look whether the object exists.
	URL(ctx context.Context, key string, ttl time.Duration) (string, error)

	// List yields every object whose key begins with prefix ("" for all), with
	// Key, Size and ModTime only, ordered by folder. It ends after the first
	// error. Objects that come or go meanwhile may be in it or not.
	List(ctx context.Context, prefix string) iter.Seq2[Info, error]

	// Check tells whether the store answers and, where that costs nothing (on
	// a disk), whether it can be written: ErrFull when only room is missing. It
	// fails with ErrRefused when waiting is no use.
	Check(ctx context.Context) error

	// Free returns how many bytes can still be written; known is false when the
	// store has no such limit or does not tell.
	Free(ctx context.Context) (bytes uint64, known bool, err error)

	// Sweep removes what dead processes left half-written and nobody has
	// touched for olderThan, and returns how many such things it removed. Files
	// that a living process has staged stay, however old.
	Sweep(ctx context.Context, olderThan time.Duration) (removed int, err error)

	// Close releases what the store holds; nothing may be in use any more.
	Close() error
}

// Object is an open object. It is not safe for concurrent use. A Read that
// cannot deliver all Info().Size bytes fails, it never ends early with io.EOF.
type Object interface {
	io.ReadSeekCloser
	// Info describes the object as it was when it was opened.
	Info() Info
}

// Info describes an object.
type Info struct {
	Key         string
	Size        int64     // bytes
	ModTime     time.Time // when it was committed
	ETag        string    // strong, quoted, as HTTP wants it
	ContentType string    // as committed; a disk tells it from the key's ending
}
