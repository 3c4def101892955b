package backup

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// regions are offsets amid every entry of an archive and its frame, by name.
func regions(t *testing.T, archive []byte) map[string]int {
	t.Helper()
	out := map[string]int{"end": len(archive) - 1, "frame": len(archive) - 1024}
	r := bytes.NewReader(archive)
	for entries := tar.NewReader(r); ; {
		h, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		require.NoError(t, err)
		at := len(archive) - r.Len()
		out["header of "+h.Name] = at - 512 + 10 // in its name
		out["time of "+h.Name] = at - 512 + 136 + 4
		if h.Size > 0 {
			out[h.Name] = at + int(h.Size)/2
		}
		if h.Size%512 != 0 {
			out["padding of "+h.Name] = at + int(h.Size)
		}
	}
}

func checked(archive []byte) error {
	_, err := Check(context.Background(), bytes.NewReader(archive), slog.New(slog.DiscardHandler))
	return err
}

func TestCheck_NoticesEveryCutAndEveryFlippedBit(t *testing.T) {
	t.Parallel()
	archive := lived(t).archive()
	require.NoError(t, checked(archive))
	require.ErrorIs(t, checked(append(bytes.Clone(archive), 0)), ErrDamaged, "something follows")
	for n := 0; n < len(archive); n += 397 {
		require.ErrorIs(t, checked(archive[:n]), ErrDamaged, "cut at %d of %d", n, len(archive))
	}
	for n := 0; n < len(archive); n += 512 {
		require.ErrorIs(t, checked(archive[:n]), ErrDamaged, "cut at block %d", n/512)
	}
	require.ErrorIs(t, checked(archive[:len(archive)-1]), ErrDamaged)
	for at := 3; at < len(archive); at += 331 {
		flipped := bytes.Clone(archive)
		flipped[at] ^= 1 << (at % 8)
		err := checked(flipped)
		if !errors.Is(err, ErrVersion) { // a bit of the format's number
			require.ErrorIs(t, err, ErrDamaged, "flipped at %d of %d", at, len(archive))
		}
	}
}

func TestLoad_LeavesNothingOfADamagedArchive(t *testing.T) {
	t.Parallel()
	archive := lived(t).archive()
	to := empty(t)
	for name, at := range regions(t, archive) {
		_, err := to.load(archive[:at])
		require.ErrorIs(t, err, ErrDamaged, "cut at "+name)
		flipped := bytes.Clone(archive)
		flipped[at] ^= 4
		_, err = to.load(flipped)
		require.Error(t, err, "flipped "+name)
	}
	to.requireUntouched()
	_, err := to.load(archive)
	require.NoError(t, err, "and then the good one")
}

func TestLoad_LeavesNothingWhenReadingFailsOrIsInterrupted(t *testing.T) {
	t.Parallel()
	archive := lived(t).archive()
	to := empty(t)
	broken := errors.New("the disk is broken")
	for name, at := range regions(t, archive) {
		_, err := to.Load(t.Context(), io.MultiReader(bytes.NewReader(archive[:at]), iotest.ErrReader(broken)))
		require.ErrorIs(t, err, broken, name)
		require.NotErrorIs(t, err, ErrDamaged, name)
		ctx, cancel := context.WithCancel(t.Context())
		_, err = to.Load(ctx, io.MultiReader(bytes.NewReader(archive[:at]), readerFunc(func([]byte) (int, error) {
			cancel()
			return 0, io.EOF
		})))
		require.ErrorIs(t, err, context.Canceled, name)
	}
	to.requireUntouched()
}

// forged writes an archive that is whole, as its author wants it.
func forged(t *testing.T, m manifest, entries func(w *writer), end *trailer) []byte {
	t.Helper()
	var b bytes.Buffer
	w := newWriter(t.Context(), &b, &pulse{log: slog.New(slog.DiscardHandler)})
	require.NoError(t, w.manifest(m))
	entries(w)
	require.NoError(t, w.end(*end))
	return b.Bytes()
}

func TestLoad_RefusesHostileArchives(t *testing.T) {
	t.Parallel()
	from, to := lived(t), empty(t)
	s := &saver{Platform: from.Platform, pool: from.pool, out: newWriter(t.Context(), io.Discard, &pulse{log: from.Log})}
	require.NoError(t, onConn(t.Context(), from.pool, func(c *pgx.Conn) error { return s.database(t.Context(), c) }))
	good := s.manifest
	none := func(*writer) {}
	rows := func() map[string]int64 {
		out := map[string]int64{}
		for _, t := range tables {
			out[t] = 0
		}
		return out
	}
	header := func(h tar.Header) func(w *writer) {
		return func(w *writer) {
			require.NoError(t, w.tar.WriteHeader(&h))
			_, err := io.CopyN(w.tar, zeros{}, h.Size)
			require.NoError(t, err)
		}
	}
	put := func(place string, keys ...string) func(w *writer) {
		return func(w *writer) {
			for _, key := range keys {
				_, torn, err := w.file(place, key, 3, strings.NewReader("abc"))
				require.NoError(t, errors.Join(torn, err))
			}
		}
	}
	copied := func(w *writer) {
		for _, of := range []table{good.Tables[0], good.Tables[2]} {
			rows := w.table(of.Name)
			require.NoError(t, onConn(t.Context(), from.pool, func(c *pgx.Conn) error {
				_, err := c.PgConn().CopyTo(t.Context(), rows, "COPY "+of.columns()+" TO STDOUT")
				return err
			}))
			require.NoError(t, rows.Close())
		}
	}
	with := func(change func(m *manifest)) manifest {
		m := good
		m.Tables = append([]table{}, good.Tables...)
		change(&m)
		return m
	}
	for name, tt := range map[string]struct {
		m    manifest
		body func(w *writer)
		says string
		rows map[string]int64
	}{
		"out of the place":     {good, put("../originals", "x"), "it has a file", nil},
		"out of the folder":    {good, put(originals, "../../etc/passwd"), "it has a file", nil},
		"absolute":             {good, put(originals, "/etc/passwd"), "it has a file", nil},
		"hidden":               {good, put(originals, ".stage/x"), "it has a file", nil},
		"another place":        {good, put("secrets", "x"), "it has a file", nil},
		"a file of nobody":     {good, put(originals, "x.mp4"), "no video has its file", nil},
		"a link":               {good, header(tar.Header{Typeflag: tar.TypeSymlink, Name: "files/originals/x", Linkname: "/etc/passwd"}), "not a plain file", nil},
		"a hard link":          {good, header(tar.Header{Typeflag: tar.TypeLink, Name: "files/originals/x", Linkname: "manifest.json"}), "not a plain file", nil},
		"a folder":             {good, header(tar.Header{Typeflag: tar.TypeDir, Name: "files/"}), "not a plain file", nil},
		"a device":             {good, header(tar.Header{Typeflag: tar.TypeChar, Name: "files/originals/x"}), "not a plain file", nil},
		"another name":         {good, header(tar.Header{Typeflag: tar.TypeReg, Name: "passwd"}), "where trailer.json should be", nil},
		"a record of its own":  {good, header(tar.Header{Typeflag: tar.TypeReg, Name: "files/originals/x", PAXRecords: map[string]string{"ANB.x": "y"}}), "has a record", nil},
		"a huge trailer":       {good, header(tar.Header{Typeflag: tar.TypeReg, Name: trailerName, Size: maxTrailer + 1}), "has 67108865 bytes", nil},
		"rows out of turn":     {good, header(tar.Header{Typeflag: tar.TypeReg, Name: partName("users", 1), Size: 10}), "users", nil},
		"no rows in a part":    {good, header(tar.Header{Typeflag: tar.TypeReg, Name: partName("operations", 1), Size: 10}), "gzip", nil},
		"a table of nobody":    {with(func(m *manifest) { m.Tables = append(m.Tables, table{"pg_authid", []string{"rolname"}}) }), none, "its schema has not", nil},
		"goose's table":        {with(func(m *manifest) { m.Tables = append(m.Tables, table{"goose_db_version", []string{"id"}}) }), none, "its schema has not", nil},
		"SQL for a name":       {with(func(m *manifest) { m.Tables[0].Name = `users" FROM PROGRAM 'true' --` }), none, "its schema has not", nil},
		"SQL for a column":     {with(func(m *manifest) { m.Tables[0].Columns = []string{`id") FROM PROGRAM 'true' --`} }), none, "has the columns", nil},
		"a table less":         {with(func(m *manifest) { m.Tables = m.Tables[1:] }), none, "lacks table users", nil},
		"a table twice":        {with(func(m *manifest) { m.Tables = append(m.Tables, m.Tables[0]) }), none, `"users" twice`, nil},
		"a column less":        {with(func(m *manifest) { m.Tables[0].Columns = m.Tables[0].Columns[1:] }), none, "has the columns", nil},
		"no schema":            {with(func(m *manifest) { m.Schema = 0 }), none, "no archive is of one before", nil},
		"a schema of before":   {with(func(m *manifest) { m.Schema = oldest - 1 }), none, "its schema is 9", nil},
		"a later schema":       {with(func(m *manifest) { m.Schema++ }), none, `restore it with "anb 1.2.3" or a later one`, nil},
		"a later format":       {with(func(m *manifest) { m.Format++ }), none, "format 2", nil},
		"rows that lack files": {good, copied, "lacks the file", map[string]int64{"users": 2, "videos": 6}},
		"fewer rows":           {good, copied, "instead of", nil},
	} {
		end := &trailer{Rows: rows()}
		maps.Copy(end.Rows, tt.rows)
		_, err := to.load(forged(t, tt.m, tt.body, end))
		require.ErrorContains(t, err, tt.says, name)
	}
	to.requireUntouched()
	for _, keys := range [][]string{{"x", "x"}, {"y", "x"}} {
		err := checked(forged(t, manifest{Format: format}, put(processed, keys...), &trailer{Files: 2, Bytes: 6}))
		require.ErrorIs(t, err, ErrDamaged)
		require.ErrorContains(t, err, `after "files/processed/`)
	}
}

func TestCheck_PrintsNothingOfTheArchiveRaw(t *testing.T) {
	t.Parallel()
	const escape = "\x1b]0;owned\a"
	good := Flaw{Place: originals, Key: "x.mp4", State: missing, Detail: escape}
	require.NotContains(t, good.String(), escape)
	none := func(*writer) {}
	m := manifest{Format: format, Program: "anb" + escape}
	require.NoError(t, checked(forged(t, m, none, &trailer{Flaws: []Flaw{good}})))
	for _, change := range []func(f *Flaw){
		func(f *Flaw) { f.Place = escape }, func(f *Flaw) { f.Key = escape }, func(f *Flaw) { f.State = escape },
	} {
		bad := good
		change(&bad)
		err := checked(forged(t, m, none, &trailer{Flaws: []Flaw{bad}}))
		require.ErrorIs(t, err, ErrDamaged)
		require.NotContains(t, err.Error(), escape)
	}
	for _, name := range []string{"a later format", "a table twice", "too few rows"} {
		m := m
		switch name {
		case "a later format":
			m.Format++
		case "a table twice":
			m.Tables = []table{{Name: escape}, {Name: escape}}
		default:
			m.Tables = []table{{Name: escape}}
		}
		err := checked(forged(t, m, none, &trailer{}))
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), escape, name)
	}
}

func TestCheck_UnpacksNoBomb(t *testing.T) {
	t.Parallel()
	err := checked(forged(t, manifest{Format: format, Tables: []table{{Name: "users"}}}, func(w *writer) {
		rows := w.table("users").(*parts)
		_, err := io.CopyN(rows.gzip, zeros{}, maxPart+1)
		require.NoError(t, err)
		rows.raw = 1
		require.NoError(t, rows.Close())
	}, &trailer{Rows: map[string]int64{"users": 0}}))
	require.ErrorIs(t, err, ErrDamaged)
	require.ErrorContains(t, err, "unpacks to too much")
}

func TestWriter_KeepsToWhatAReaderTakes(t *testing.T) {
	t.Parallel()
	w := newWriter(t.Context(), io.Discard, &pulse{log: slog.New(slog.DiscardHandler)})
	require.ErrorContains(t, w.manifest(manifest{Server: strings.Repeat("x", maxManifest)}), "an archive takes")
	require.ErrorContains(t, w.end(trailer{Flaws: []Flaw{{Detail: strings.Repeat("x", maxTrailer)}}}), "an archive takes")
	_, err := w.table("users").Write(make([]byte, maxPart+1))
	require.ErrorContains(t, err, "an archive takes")
	s := saver{}
	s.flaw(file{}, missing, strings.Repeat("ñ", maxDetail)[1:])
	require.LessOrEqual(t, len(s.trailer.Flaws[0].Detail), maxDetail)
	require.NotEmpty(t, s.trailer.Flaws[0].Detail)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
