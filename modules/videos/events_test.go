package videos

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
)

// events opens the stream of one's own video; lines come one at a time and the
// channel closes at the end.
func (b *bundle) events(t *testing.T, id uuid.UUID) <-chan event {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.url+"/api/videos/"+id.String()+"/events", nil)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+b.user.String())
	res, err := b.client.Do(r)
	require.NoError(t, err)
	t.Cleanup(func() { _ = res.Body.Close() })
	require.Equal(t, 200, res.StatusCode)
	require.Equal(t, "text/event-stream", res.Header.Get("Content-Type"))
	require.Equal(t, "no", res.Header.Get("X-Accel-Buffering"))
	out := make(chan event, 100)
	go func() {
		defer close(out)
		lines := bufio.NewScanner(res.Body)
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				var e event
				if json.Unmarshal([]byte(data), &e) == nil {
					out <- e
				}
			}
		}
	}()
	return out
}

// next waits for an event, or for the end: then ok is false.
func nextEvent(t *testing.T, events <-chan event) (e event, ok bool) {
	t.Helper()
	select {
	case e, ok = <-events:
	case <-time.After(10 * time.Second):
		t.Fatal("no event and no end")
	}
	return e, ok
}

func TestEvents_RefusesWhatIsNotOnesOwn(t *testing.T) {
	t.Parallel()
	b := setup(t, dbtest.SQLite(t))
	other := unpublished(addPlayer(t, b.db, "Leo", "Gil", "Cali"), "ajeno", 0, Processing)
	add(t, b.db, other)
	require.Equal(t, "NOT_OWNER", b.get(t, "/api/videos/"+other.ID.String()+"/events").code)
	require.Equal(t, "VIDEO_NOT_FOUND", b.get(t, "/api/videos/abc/events").code)
}

func TestEvents_TellsTheStateAtOnceEachChangeAndTheEnd(t *testing.T) {
	t.Parallel()
	b := setup(t, dbtest.SQLite(t))
	v := unpublished(player{b.user, "Ana Díaz", "Bogotá"}, "mío", 0, Processing)
	add(t, b.db, v)
	head := b.send(t, "HEAD", "/api/videos/"+v.ID.String()+"/events", b.user, nil)
	require.Equal(t, 200, head.status)

	events := b.events(t, v.ID)
	e, ok := nextEvent(t, events)
	require.True(t, ok)
	require.Equal(t, event{VideoID: v.ID, Status: Processing, Stage: "encode"}, e)
	b.queue.advance(40.9)
	e, _ = nextEvent(t, events)
	require.Equal(t, 40, e.Progress)
	_, err := b.catalog.Publish(t.Context(), v.ID, Published{VideoKey: "p.mp4", ThumbnailKey: "p.jpg"})
	require.NoError(t, err)
	e, _ = nextEvent(t, events)
	require.Equal(t, event{VideoID: v.ID, Status: Processed, Progress: 100}, e)
	_, ok = nextEvent(t, events)
	require.False(t, ok, "the stream ends")
}

func TestEvents_EndsWhenTheVideoIsDeleted(t *testing.T) {
	t.Parallel()
	b := setup(t, dbtest.SQLite(t))
	v := unpublished(player{b.user, "Ana Díaz", "Bogotá"}, "mío", 0, Processing)
	add(t, b.db, v)
	events := b.events(t, v.ID)
	_, ok := nextEvent(t, events)
	require.True(t, ok)
	require.Equal(t, 200, b.send(t, "DELETE", "/api/videos/"+v.ID.String(), b.user, nil).status)
	_, ok = nextEvent(t, events)
	require.False(t, ok)
}

func TestEvents_EndsWhenTheServerStops(t *testing.T) {
	t.Parallel()
	b := setup(t, dbtest.SQLite(t))
	v := unpublished(player{b.user, "Ana Díaz", "Bogotá"}, "mío", 0, Processing)
	add(t, b.db, v)
	events := b.events(t, v.ID)
	_, ok := nextEvent(t, events)
	require.True(t, ok)
	b.stop()
	err := <-b.stopped
	require.NoError(t, err, "within the grace")
	b.stopped <- err
	_, ok = nextEvent(t, events)
	require.False(t, ok)
}
