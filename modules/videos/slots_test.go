package videos

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/platform/fault"
)

// busy tells how many slots are taken.
func (b *bundle) busy() int {
	b.slots.mu.Lock()
	defer b.slots.mu.Unlock()
	return b.slots.all
}

func TestUpload_OneTooManyIsToldBeforeItsBodyIsRead(t *testing.T) {
	t.Parallel()
	other := func(t *testing.T, b *bundle) uuid.UUID { return addUser(t, b.db, "Luis", "Gil", "Cali") }
	for name, tt := range map[string]struct {
		change func(*Deps)
		as     func(*testing.T, *bundle) uuid.UUID
		status int
		code   string
		after  string
	}{
		"of the account": {
			change: func(d *Deps) { d.Config.PerPlayer = 1 },
			as:     func(_ *testing.T, b *bundle) uuid.UUID { return b.user },
			status: 429, code: "UPLOADS_IN_PROGRESS", after: "30",
		},
		"of the process": {
			change: func(d *Deps) { d.Config.PerPlayer, d.Config.AtOnce = 5, 1 },
			as:     other, status: 503, code: "TOO_MANY_UPLOADS", after: "60",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, dbtest.SQLite(t), tt.change)
			first := b.half(t)
			as := tt.as(t, b)
			form := value("title", "Triple") + movie("a.mp4", content(maxTest)) + closing
			// One that writes everything before it reads sees it, and one that asks
			// first sends nothing.
			for _, expects := range []bool{false, true} {
				c := b.dial(t)
				head := b.head(as, fmt.Sprintf("Content-Length: %d\r\n", len(form)))
				if expects {
					head, form = b.head(as, fmt.Sprintf("Content-Length: %d\r\nExpect: 100-continue\r\n", len(form))), ""
				}
				_, err := io.WriteString(c, head+form)
				require.NoError(t, err)
				a, _ := answerOn(t, c)
				require.Equal(t, tt.status, a.status, a.text)
				require.Equal(t, tt.code, a.code)
				require.Equal(t, tt.after, a.head.Get("Retry-After"))
			}
			require.Len(t, b.left(t), 2, "the first one's file and its descriptor, and nothing else")
			require.NoError(t, first.Close())
			require.Eventually(t, func() bool { return b.busy() == 0 }, 5*time.Second, 5*time.Millisecond)
			require.Equal(t, 201, b.send(t, "POST", "/api/videos", as, strings.NewReader(goodForm(100)), "Content-Type", formType).status)
		})
	}
}

func TestUpload_OfOneAccountLeavesTheOthersAlone(t *testing.T) {
	t.Parallel()
	b := setup(t, dbtest.SQLite(t), func(d *Deps) { d.Config.PerPlayer, d.Config.AtOnce = 1, 2 })
	b.half(t)
	as := addUser(t, b.db, "Luis", "Gil", "Cali")
	require.Equal(t, 201, b.send(t, "POST", "/api/videos", as, strings.NewReader(goodForm(100)), "Content-Type", formType).status)
}

func TestUpload_GivesItsSlotBackHoweverItEnds(t *testing.T) {
	t.Parallel()
	b := setup(t, dbtest.SQLite(t), func(d *Deps) { d.Config.PerPlayer, d.Config.AtOnce = 1, 1 })
	for name, tt := range map[string]struct {
		form   string
		err    error
		status int
	}{
		"accepted":        {form: goodForm(100), status: 201},
		"refused":         {form: value("title", "x") + movie("a.exe", content(100)) + closing, status: 400},
		"no form":         {form: "?", status: 400},
		"cannot be kept":  {form: goodForm(101), err: fault.ErrUnavailable, status: 503},
		"cannot be known": {form: goodForm(102), err: io.ErrUnexpectedEOF, status: 500},
	} {
		b.queue.err = tt.err
		require.Equal(t, tt.status, b.upload(t, tt.form).status, name)
		require.Eventually(t, func() bool { return b.busy() == 0 }, 5*time.Second, time.Millisecond, name)
	}
	b.queue.err = nil
	require.Empty(t, b.slots.of, "no account is remembered")
}

func TestSlots_NeverExceedTheirBoundsInARace(t *testing.T) {
	t.Parallel()
	s := newSlots(2, 3)
	players := []uuid.UUID{uuid.New(), uuid.New()}
	var mu sync.Mutex
	var wg sync.WaitGroup
	held := map[uuid.UUID]int{}
	for i := range 200 {
		wg.Go(func() {
			p := players[i%2]
			release, err := s.take(p)
			if err != nil {
				return
			}
			mu.Lock()
			held[p]++
			over := held[p] > 2 || held[players[0]]+held[players[1]] > 3
			mu.Unlock()
			if over {
				t.Error("too many at once")
			}
			mu.Lock()
			held[p]--
			mu.Unlock()
			release()
		})
	}
	wg.Wait()
	require.Zero(t, s.all)
	require.Empty(t, s.of)
}
