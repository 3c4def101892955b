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
	if l.files, err = files(ctx, l.tx, false); err != nil {
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
	made, err := processing.PutWitness(ctx, l.Originals, newest)
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
	there, err := store.Open(ctx, f.Key)
	if err == nil {
		defer there.Close()
		return same(there, size, content)
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
	err = staged.Commit(ctx, f.Key, "")
	if errors.Is(err, storage.ErrExist) { // somebody else's
		l.made = l.made[:len(l.made)-1]
	}
	return err
}

// errOther means that a file is there with another content.
var errOther = errors.New("another file with this name is there; move it away, or restore into empty folders or buckets")

// same compares what is there with what should be.
func same(there storage.Object, size int64, content io.Reader) error {
	if there.Info().Size != size {
		return errOther
	}
	want, have := sha256.New(), sha256.New()
	if _, err := io.Copy(want, content); err != nil {
		return err
	}
	if _, err := io.Copy(have, there); err != nil {
		return fmt.Errorf("read what is there: %w", err)
	}
	if hexOf(want) != hexOf(have) {
		return errOther
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
	kept := l.made[:0]
	for _, i := range l.made {
		f := l.files[i]
		if !useless[f.name()] && !left[f.Video] {
			kept = append(kept, i)
			continue
		}
		if err := l.store(f.Place).Delete(ctx, f.Key); err != nil {
			return fmt.Errorf("remove %s, which is not to be restored: %w", f.name(), err)
		}
	}
	l.made = kept
	return l.settleRows(ctx, t)
}
