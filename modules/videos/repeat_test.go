package videos

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/platform/database"
)

func withWindow(d *Deps) { d.Config.RepeatWindow = 10 * time.Minute }

// fail ends a video as a worker does.
func (b *bundle) fail(t *testing.T, a answer) {
	t.Helper()
	var r uploadResponse
	a.into(t, &r)
	require.NoError(t, b.catalog.Fail(t.Context(), r.VideoID, "CORRUPT_STREAM"))
}

// requireOne checks that answers are one and the same, that so many rows and
// files are there, and that all but one tell that they repeat.
func (b *bundle) requireOne(t *testing.T, answers []answer, rows int) {
	t.Helper()
	replayed := 0
	for _, a := range answers {
		require.Equal(t, 201, a.status, a.text)
		require.JSONEq(t, answers[0].text, a.text)
		if a.head.Get("Idempotent-Replayed") == "true" {
			replayed++
		}
	}
	require.Equal(t, len(answers)-1, replayed)
	require.Len(t, b.left(t), rows+1, "a file for each row, and the line on the rows")
	require.EqualValues(t, rows, countVideos(t, b.db))
}

func TestUpload_WithItsKeyAgainIsTheFirstOne(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := setup(t, d)
		first := b.upload(t, goodForm(100), "Idempotency-Key", "k-1")
		b.now.Store(1_000_000)
		b.requireOne(t, []answer{first, b.upload(t, goodForm(100), "Idempotency-Key", " k-1 ")}, 1)

		for what, form := range map[string]string{
			"file":  goodForm(101),
			"title": value("title", "Doble") + movie("a.mp4", content(100)) + closing,
			"start": value("start", "1") + goodForm(100),
		} {
			a := b.upload(t, form, "Idempotency-Key", "k-1")
			require.Equal(t, 400, a.status, what)
			require.Equal(t, "IDEMPOTENCY_KEY_REUSED", a.code, what)
		}
		b.requireOne(t, []answer{b.upload(t, goodForm(100), "Idempotency-Key", "k-2")}, 2)
		b.requireOne(t, []answer{b.upload(t, goodForm(100))}, 3)

		b.fail(t, first)
		again := b.upload(t, goodForm(100), "Idempotency-Key", "k-1")
		b.requireOne(t, []answer{again, b.upload(t, goodForm(100), "Idempotency-Key", "k-1")}, 4)
		var r uploadResponse
		again.into(t, &r)
		require.Equal(t, 200, b.send(t, "DELETE", "/api/videos/"+r.VideoID.String(), b.user, nil).status)
		b.requireOne(t, []answer{b.upload(t, goodForm(100), "Idempotency-Key", "k-1")}, 4)

		b.user = addUser(t, d, "Luis", "Paz", "Cali")
		b.requireOne(t, []answer{b.upload(t, goodForm(999), "Idempotency-Key", "k-1")}, 5)
	})
}

func TestUpload_OfTheSameFileAgainIsTheFirstOne(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := setup(t, d, withWindow)
		first := b.upload(t, goodForm(100))
		b.now.Store(500)
		b.requireOne(t, []answer{
			first, b.upload(t, goodForm(100)), b.upload(t, goodForm(100), "Idempotency-Key", "new"),
			b.upload(t, value("title", "Doble")+movie("b.mov", content(100))+closing),
		}, 1)
		b.requireOne(t, []answer{b.upload(t, value("start", "2")+goodForm(100))}, 2)
		b.requireOne(t, []answer{b.upload(t, goodForm(101))}, 3)
		b.now.Store(601)
		second := b.upload(t, goodForm(100))
		b.requireOne(t, []answer{second, b.upload(t, goodForm(100))}, 4)
		b.fail(t, second)
		third := b.upload(t, goodForm(100))
		b.requireOne(t, []answer{third, b.upload(t, goodForm(100))}, 5)
		var r uploadResponse
		third.into(t, &r)
		require.Equal(t, 200, b.send(t, "DELETE", "/api/videos/"+r.VideoID.String(), b.user, nil).status)
		b.requireOne(t, []answer{b.upload(t, goodForm(100))}, 5)
		b.user = addUser(t, d, "Luis", "Paz", "Cali")
		b.requireOne(t, []answer{b.upload(t, goodForm(100))}, 6)
	})
}

// A player taps twice, or a phone tries again while the first request is still
// on its way.
func TestUpload_ManyAtOnceAreOne(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := setup(t, d, withWindow)
		for i, header := range [][]string{nil, {"Idempotency-Key", uuid.NewString()}} {
			answers := make([]answer, 8)
			var all sync.WaitGroup
			for k := range answers {
				all.Go(func() { answers[k] = b.upload(t, goodForm(5000+i), header...) })
			}
			all.Wait()
			b.requireOne(t, answers, i+1)
		}
	})
}

func TestUpload_RefusesStrangeKeys(t *testing.T) {
	t.Parallel()
	b := setup(t, dbtest.SQLite(t))
	for _, key := range []string{"", " ", "two words", "ñ", "tab\there", strings.Repeat("k", 256)} {
		a := b.upload(t, goodForm(10), "Idempotency-Key", key)
		require.Equal(t, 400, a.status, key)
		require.Equal(t, "VALIDATION_FAILED", a.code, key)
		require.Contains(t, a.text, "Idempotency-Key")
	}
	c := b.dial(t)
	form := goodForm(10)
	_, err := fmt.Fprintf(c, "%s%s", b.head(b.user, fmt.Sprintf("Content-Length: %d\r\nIdempotency-Key: a\r\nIdempotency-Key: b\r\n", len(form))), form)
	require.NoError(t, err)
	a, _ := answerOn(t, c)
	require.Equal(t, 400, a.status)
	require.Empty(t, b.left(t))
	require.Equal(t, 201, b.upload(t, goodForm(10), "Idempotency-Key", strings.Repeat("k", 255)).status)
}
