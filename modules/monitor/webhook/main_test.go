package webhook

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "0123456789abcdef0123456789abcdef"

// bundle is a Sender whose pauses are over at once, and are written down.
type bundle struct {
	*Sender
	impatient bool // its grace is over at once too, else never
	mu        sync.Mutex
	log       bytes.Buffer
	pauses    []time.Duration
}

// Write takes the log.
func (b *bundle) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.log.Write(p)
}

func (b *bundle) logged() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.log.String()
}

func (b *bundle) paused() []time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]time.Duration(nil), b.pauses...)
}

func (b *bundle) after(d time.Duration) <-chan time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	if d == grace && !b.impatient {
		return nil
	}
	b.pauses = append(b.pauses, d)
	over := make(chan time.Time)
	close(over)
	return over
}

func setup(t *testing.T, urls ...string) *bundle {
	t.Helper()
	b := &bundle{}
	s, err := NewSender(Deps{
		Config: Config{URLs: urls, Secret: secret}, Now: noon, After: b.after, Log: slog.New(slog.NewTextHandler(b, nil)),
	})
	require.NoError(t, err)
	s.jitter = func() float64 { return 0.5 }
	b.Sender = s
	return b
}

// start runs the Sender; stop ends it and waits.
func (b *bundle) start(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	t.Cleanup(stop)
	return stop
}

// posted is a request that a receiver got.
type posted struct {
	header http.Header
	body   string
}

// receiver answers with what answer does, and passes on what it got.
func receiver(t *testing.T, answer func(w http.ResponseWriter, r *http.Request, nth int)) (url string, got chan posted) {
	t.Helper()
	got = make(chan posted, 200)
	var mu sync.Mutex
	nth := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		mu.Lock()
		nth++
		n := nth
		mu.Unlock()
		got <- posted{r.Header, string(body)}
		answer(w, r, n)
	}))
	t.Cleanup(s.Close)
	return s.URL, got
}

func status(codes ...int) func(http.ResponseWriter, *http.Request, int) {
	return func(w http.ResponseWriter, _ *http.Request, nth int) { w.WriteHeader(codes[min(nth, len(codes))-1]) }
}

func next(t *testing.T, got chan posted) posted {
	t.Helper()
	select {
	case p := <-got:
		return p
	case <-time.After(10 * time.Second):
		require.FailNow(t, "nothing was posted")
		return posted{}
	}
}

func alert() Alert {
	return Alert{
		Kind: NoWorkers, Phase: Begun, Subject: "video", Since: noon(), At: noon().Add(time.Minute),
		Values: map[string]float64{"waiting": 41, "oldest_seconds": 90.5}, Text: "Nadie atiende la cola «video».",
	}
}
