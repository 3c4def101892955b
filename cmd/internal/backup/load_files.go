package backup

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"anb/modules/processing"
	"anb/platform/storage"
)

// loaded lists the files that have to come, and keeps janitors from them.
func (l *loader) loaded(ctx context.Context) (err error) {
	if l.files, err = files(ctx, l.tx, l.has("videos", "processed_sha256")); err != nil {
		return err
	}
	var newest uuid.UUID
	err = l.tx.QueryRow(ctx, "SELECT id FROM jobs ORDER BY created_at DESC, id DESC LIMIT 1").Scan(&newest)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for the newest job: %w", err)
	}
	var made bool
	err = again(ctx, l.pause(), func() (err error) {
		made, err = processing.PutWitness(ctx, l.Originals, newest)
		return err
	})
	if made {
		key := processing.WitnessKey(newest)
		l.witness = &key
	}
	return err
}

// file restores a file that a row names; another must not be there.
func (l *loader) file(ctx context.Context, place, key string, size int64, content io.Reader) error {
	name := place + "/" + key
	for l.next < len(l.files) && l.files[l.next].name() < name {
		l.absent = append(l.absent, l.files[l.next])
		l.next++
	}
	if l.next == len(l.files) || l.files[l.next].name() != name {
		return fmt.Errorf("%w: no video has its file %s", ErrDamaged, name)
	}
	i := l.next
	l.next++
	if err := l.put(ctx, i, size, content); err != nil {
		return fmt.Errorf("restore %s: %w", name, err)
	}
	return nil
}

func (f file) name() string { return f.Place + "/" + f.Key }

func (l *loader) put(ctx context.Context, i int, size int64, content io.Reader) (err error) {
	f := l.files[i]
	store := l.store(f.Place)
	there, err := openSource(ctx, store, f.Key, l.pause())
	if err == nil {
		defer there.Close()
		return l.beside(ctx, i, there, size, content)
	}
	if !errors.Is(err, storage.ErrNotExist) {
		return err
	}
	staged, err := store.Stage(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, staged.Discard()) }()
	if _, err := io.CopyBuffer(struct{ io.Writer }{staged}, content, l.buf); err != nil {
		return err
	}
	// Noted first: over a network it may be there although Commit fails.
	l.made = append(l.made, i)
	err = again(ctx, l.pause(), func() error { return staged.Commit(ctx, f.Key, "") })
	if errors.Is(err, storage.ErrExist) { // somebody else's
		l.made = l.made[:len(l.made)-1]
	}
	return err
}

// errOther means that a file is there with another content.
var errOther = errors.New("another file with this name is there; move it away, or restore into empty folders or buckets")

// doubt is a file that was there already, where the archive may have only a part
// of it, filled up with zeros. The trailer tells.
type doubt struct {
	file int    // in files
	sha  string // of what the archive has
	err  error  // what is there is not that
}

// beside compares the file that is there with the archive's.
func (l *loader) beside(ctx context.Context, i int, there *source, size int64, content io.Reader) error {
	want, last := sha256.New(), byte(0)
	_, err := io.CopyBuffer(writerFunc(func(p []byte) (int, error) {
		last = p[len(p)-1]
		return want.Write(p)
	}), content, l.buf)
	if err != nil {
		return err
	}
	sha := hexOf(want)
	err = l.same(there, size, sha)
	if last != 0 || ctx.Err() != nil {
		return err
	}
	l.doubts = append(l.doubts, doubt{i, sha, err})
	return nil
}

// same compares what is there with what should be. Of what S3 has archived only
// the size can be seen.
func (l *loader) same(there *source, size int64, sha string) error {
	if there.info.Size != size {
		return errOther
	}
	have := sha256.New()
	switch _, err := io.CopyBuffer(have, there, l.buf); {
	case errors.Is(err, storage.ErrArchived):
		return nil
	case err != nil:
		return fmt.Errorf("read what is there: %w", err)
	case hexOf(have) != sha:
		return errOther
	}
	return nil
}

// believe decides about doubts: what the archive has in part does not contradict
// what is there, and is of no use where it is there, from a restore that was
// killed.
func (l *loader) believe(ctx context.Context, useless map[string]bool) error {
	for _, d := range l.doubts {
		f := l.files[d.file]
		switch {
		case !useless[f.name()] && d.err != nil:
			return fmt.Errorf("restore %s: %w", f.name(), d.err)
		case useless[f.name()] && d.err == nil && f.SHA256 != nil && *f.SHA256 != d.sha:
			if err := l.discard(ctx, f); err != nil {
				return err
			}
		}
	}
	return nil
}

// discard removes a file that the archive has and that is not to be restored.
func (l *loader) discard(ctx context.Context, f file) error {
	if err := l.store(f.Place).Delete(ctx, f.Key); err != nil {
		return fmt.Errorf("remove %s, which is not to be restored: %w", f.name(), err)
	}
	return nil
}

// settle brings rows and files together once the archive is known to be whole:
// nothing refers to what is not there, except where that was so before.
func (l *loader) settle(ctx context.Context, t trailer) error {
	excused := map[string]bool{}
	useless := map[string]bool{}
	for _, f := range t.Flaws {
		name := f.Place + "/" + f.Key
		excused[name] = f.State == missing
		useless[name] = f.State == unreadable
	}
	left := map[uuid.UUID]bool{}
	for _, id := range t.Gone {
		left[id] = true
	}
	for _, f := range append(l.absent, l.files[l.next:]...) {
		if !excused[f.name()] && !left[f.Video] {
			return fmt.Errorf("%w: it lacks the file %s", ErrDamaged, f.name())
		}
	}
	if err := l.believe(ctx, useless); err != nil {
		return err
	}
	kept := l.made[:0]
	for _, i := range l.made {
		f := l.files[i]
		if !useless[f.name()] && !left[f.Video] {
			kept = append(kept, i)
			continue
		}
		if err := l.discard(ctx, f); err != nil {
			return err
		}
	}
	l.made = kept
	return l.settleRows(ctx, t)
}
