package videos

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"anb/platform/database"
)

const (
	boundary = "b0undary"
	formType = "multipart/form-data; boundary=" + boundary
	closing  = "--" + boundary + "--\r\n"
)

// part writes one part of a form, byte for byte.
func part(disposition string, body []byte) string {
	return fmt.Sprintf("--%s\r\nContent-Disposition: %s\r\n\r\n%s\r\n", boundary, disposition, body)
}

func value(name, value string) string { return part(`form-data; name="`+name+`"`, []byte(value)) }

// movie is a file part; what is in it is for the inspector to judge.
func movie(fileName string, body []byte) string {
	return part(`form-data; name="video_file"; filename="`+fileName+`"`, body)
}

func content(n int) []byte { return bytes.Repeat([]byte("anb "), n/4+1)[:n] }

// upload posts a whole form as the bundle's user, with its length.
func (b *bundle) upload(t *testing.T, form string, header ...string) answer {
	t.Helper()
	header = append([]string{"Content-Type", formType}, header...)
	return b.send(t, "POST", "/api/videos/upload", b.user, bytes.NewReader([]byte(form)), header...)
}

// chunked hides a reader's length from the client.
type chunked struct{ io.Reader }

// stored returns the newest row, whose file is proven to be there and whole.
func (b *bundle) stored(t *testing.T, want []byte) row {
	t.Helper()
	var r row
	require.NoError(t, b.db.Read(t.Context()).Order("id DESC").Take(&r).Error)
	got, err := os.ReadFile(filepath.Join(b.folder, r.OriginalKey))
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, got), "the file differs")
	require.EqualValues(t, len(want), r.OriginalBytes)
	return r
}

func countVideos(t *testing.T, d *database.DB) (n int64) {
	t.Helper()
	require.NoError(t, d.Read(t.Context()).Table("videos").Count(&n).Error)
	return n
}
