package videos

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/platform/database"
)

func TestNew_RefusesMissingDependencies(t *testing.T) {
	t.Parallel()
	_, err := New(Deps{})
	require.Error(t, err)
	b := setup(t, dbtest.SQLite(t))
	for _, change := range []func(*Deps){
		func(d *Deps) { d.SigningKey = d.SigningKey[:31] }, func(d *Deps) { d.Config.MaxBytes = 0 },
		func(d *Deps) { d.Config.Formats = nil }, func(d *Deps) { d.Reason = nil },
	} {
		d := b.Deps
		change(&d)
		_, err := New(d)
		require.Error(t, err)
	}
}

func TestOwn_AnonymousIs401(t *testing.T) {
	t.Parallel()
	b := setup(t, dbtest.SQLite(t))
	id := uuid.NewString()
	for _, r := range [][2]string{
		{"GET", "/api/videos"}, {"GET", "/api/videos/" + id}, {"DELETE", "/api/videos/" + id}, {"GET", "/api/videos/" + id + "/events"},
		{"POST", "/api/videos"}, {"POST", "/api/videos/upload"},
	} {
		require.Equal(t, 401, b.send(t, r[0], r[1], uuid.Nil, nil).status, r)
	}
}

func TestList_ShowsOnesOwnInOrderWithWhatTheStateAllows(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := setup(t, d)
		me, other := player{b.user, "Ana Díaz", "Bogotá"}, addPlayer(t, d, "Leo", "Gil", "Cali")
		add(t, d, clip(me, "tres", 3, 2), unpublished(me, "uno", 1, Failed), unpublished(me, "dos", 2, Processing), clip(other, "ajeno", 0, 9))
		get := func(query string) (out []map[string]any) {
			b.get(t, "/api/videos"+query).into(t, &out)
			return out
		}
		asc := get("")
		require.Len(t, asc, 3)
		require.Equal(t, []any{"uno", "dos", "tres"}, []any{asc[0]["title"], asc[1]["title"], asc[2]["title"]})
		require.Equal(t, asc, get("?order=asc"))
		require.Equal(t, "tres", get("?order=desc")[0]["title"])
		require.Equal(t, "TRUNCATED", asc[0]["failure_code"])
		require.Equal(t, "Motivo TRUNCATED.", asc[0]["failure_reason"])
		require.NotContains(t, asc[1], "failure_code")
		require.NotContains(t, asc[1], "processed_at")
		require.NotContains(t, asc[1], "processed_url")
		require.Contains(t, asc[2], "thumbnail_url")
		require.Equal(t, "2026-03-01T12:03:00Z", asc[2]["uploaded_at"])
		for _, bad := range []string{"?order=up", "?order=asc&order=desc", "?order="} {
			require.Equal(t, "INVALID_PARAMETER", b.get(t, "/api/videos"+bad).code, bad)
		}
	})
}

func TestDetail_IsTheOwnersAlone(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := setup(t, d)
		other := unpublished(addPlayer(t, d, "Leo", "Gil", "Cali"), "ajeno", 0, Uploaded)
		mine := unpublished(player{b.user, "Ana Díaz", "Bogotá"}, "mío", 0, Processing)
		add(t, d, other, mine)
		for _, method := range []string{"GET", "DELETE"} {
			require.Equal(t, "NOT_OWNER", b.send(t, method, "/api/videos/"+other.ID.String(), b.user, nil).code)
			for _, id := range []string{uuid.NewString(), "abc", "%00", "{" + other.ID.String() + "}", "-1"} {
				a := b.send(t, method, "/api/videos/"+id, b.user, nil)
				require.Equal(t, 404, a.status, id)
				require.Equal(t, "VIDEO_NOT_FOUND", a.code, id)
			}
		}
		b.queue.advance(99.9)
		var got map[string]any
		b.get(t, "/api/videos/"+mine.ID.String()).into(t, &got)
		require.EqualValues(t, 99, got["progress"], "100 only when it is done")
		require.Equal(t, b.queue.task.String(), got["task_id"])
		require.Contains(t, got["original_url"], "/api/videos/"+mine.ID.String()+"/original?expires=")
	})
}

func TestDelete_RemovesRowFileAndWorkUntilPublished(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := setup(t, d)
		require.Equal(t, 201, b.upload(t, goodForm(100)).status)
		v := b.stored(t, content(100))
		a := b.send(t, "DELETE", "/api/videos/"+v.ID.String(), b.user, nil)
		require.Equal(t, 200, a.status, a.text)
		require.JSONEq(t, `{"message":"El video ha sido eliminado exitosamente.","video_id":"`+v.ID.String()+`"}`, a.text)
		require.True(t, b.queue.cancelled[v.ID])
		require.Empty(t, b.left(t))

		me := player{b.user, "Ana Díaz", "Bogotá"}
		failed, shown := unpublished(me, "f", 0, Failed), clip(me, "s", 1, 3)
		add(t, d, failed, shown)
		require.Equal(t, 200, b.send(t, "DELETE", "/api/videos/"+failed.ID.String(), b.user, nil).status, "a file that is missing is no error")
		a = b.send(t, "DELETE", "/api/videos/"+shown.ID.String(), b.user, nil)
		require.Equal(t, 400, a.status)
		require.Equal(t, "VIDEO_PUBLISHED", a.code)
		require.EqualValues(t, 1, countVideos(t, d))
	})
}

func TestDelete_ManyAtOnceSucceedOnce(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := setup(t, d)
		require.Equal(t, 201, b.upload(t, goodForm(100)).status)
		id := b.stored(t, content(100)).ID.String()
		var (
			wg  sync.WaitGroup
			mu  sync.Mutex
			got = map[int]int{}
		)
		for range 20 {
			wg.Go(func() {
				status := b.send(t, "DELETE", "/api/videos/"+id, b.user, nil).status
				mu.Lock()
				defer mu.Unlock()
				got[status]++
			})
		}
		wg.Wait()
		require.Equal(t, map[int]int{200: 1, 404: 19}, got)
		require.Empty(t, b.left(t))
	})
}

// Either the video is published and stays, or it is deleted and never appears.
func TestDelete_AndPublishAtOnceAgree(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := setup(t, d)
		for range 20 {
			require.Equal(t, 201, b.upload(t, goodForm(100)).status)
			v := b.stored(t, content(100))
			type result struct {
				ok  bool
				err error
			}
			published := make(chan result, 1)
			go func() {
				var r result
				r.err = d.InTx(t.Context(), func(ctx context.Context) (err error) {
					r.ok, err = b.catalog.Publish(ctx, v.ID, Published{VideoKey: v.ID.String() + ".mp4", ThumbnailKey: v.ID.String() + ".jpg"})
					return err
				})
				published <- r
			}()
			deleted := b.send(t, "DELETE", "/api/videos/"+v.ID.String(), b.user, nil)
			r := <-published
			require.NoError(t, r.err)
			_, err := os.Stat(filepath.Join(b.folder, v.OriginalKey))
			if r.ok {
				require.Equal(t, "VIDEO_PUBLISHED", deleted.code)
				require.NoError(t, err, "the original stays")
			} else {
				require.Equal(t, 200, deleted.status)
				require.True(t, errors.Is(err, os.ErrNotExist))
			}
			got := b.send(t, "GET", "/api/public/videos/"+v.ID.String(), uuid.Nil, nil).status
			require.Equal(t, r.ok, got == 200)
		}
	})
}

func TestCatalog_FollowsAVideoToItsEnd(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := setup(t, d)
		ctx := t.Context()
		_, err := b.catalog.Source(ctx, uuid.New())
		require.ErrorIs(t, err, ErrNotFound)
		require.Equal(t, 201, b.upload(t, value("start", "2.5")+goodForm(10)).status)
		v := b.stored(t, content(10))
		source, err := b.catalog.Source(ctx, v.ID)
		require.NoError(t, err)
		require.Equal(t, Original{Key: v.OriginalKey, Start: 2500 * time.Millisecond, Player: "Ana Díaz", City: "Bogotá", Measured: true}, source)
		ok, err := b.catalog.MarkProcessing(ctx, v.ID)
		require.NoError(t, err)
		require.True(t, ok)
		ok, err = b.catalog.Publish(ctx, v.ID, Published{VideoKey: "p.mp4", ThumbnailKey: "p.jpg"})
		require.NoError(t, err)
		require.True(t, ok)
		require.NoError(t, b.catalog.Fail(ctx, v.ID, "TIMEOUT"))
		ok, err = b.catalog.MarkProcessing(ctx, v.ID)
		require.NoError(t, err)
		require.False(t, ok, "what is published stays so")
		known, err := b.catalog.KnownProcessed(ctx, []string{"p.mp4", "p.jpg", "q.mp4"})
		require.NoError(t, err)
		require.Equal(t, map[string]bool{"p.mp4": true, "p.jpg": true}, known)
		known, err = b.catalog.KnownOriginals(ctx, nil)
		require.NoError(t, err)
		require.Empty(t, known)
	})
}
