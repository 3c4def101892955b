package webhook

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSender_KeepsTheOrderAndReceiversApart(t *testing.T) {
	t.Parallel()
	hanging, stuck := receiver(t, func(_ http.ResponseWriter, r *http.Request, _ int) { <-r.Context().Done() })
	url, got := receiver(t, status(200))
	b := setup(t, hanging, url)
	b.impatient = true
	stop := b.start(t)
	for i := range 20 {
		a := alert()
		a.Subject = fmt.Sprint(i)
		require.NoError(t, b.Send(t.Context(), a))
	}
	for i := range 20 {
		require.Contains(t, next(t, got).body, fmt.Sprintf(`"subject":"%d"`, i))
	}
	next(t, stuck)
	stop()
	require.Equal(t, 20, strings.Count(b.logged(), `stopping" host=`+strings.TrimPrefix(hanging, "http://")))
}

func TestSender_GivesUpTheOldestWhenTooManyWait(t *testing.T) {
	t.Parallel()
	url, got := receiver(t, status(200))
	b := setup(t, url)
	for i := range waiting + 3 {
		a := alert()
		a.Subject = fmt.Sprint(i)
		require.NoError(t, b.Send(t.Context(), a))
	}
	require.Equal(t, 3, strings.Count(b.logged(), "too many wait"))
	stop := b.start(t)
	for i := range waiting {
		require.Contains(t, next(t, got).body, fmt.Sprintf(`"subject":"%d"`, i+3))
	}
	stop()
	require.Empty(t, got)
}

func TestSender_LetsATryEndWhenItStops(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	url, got := receiver(t, func(http.ResponseWriter, *http.Request, int) { <-release })
	b := setup(t, url)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	require.NoError(t, b.Send(t.Context(), alert()))
	next(t, got)
	cancel()
	require.Empty(t, ended, "it waits")
	close(release)
	require.NoError(t, <-ended)
	require.Empty(t, b.logged(), "it was delivered")
}

func TestSender_StopsBesideAReceiverThatHangs(t *testing.T) {
	t.Parallel()
	url, got := receiver(t, func(_ http.ResponseWriter, r *http.Request, _ int) { <-r.Context().Done() })
	b := setup(t, url)
	b.timeout, b.impatient = time.Hour, true
	stop := b.start(t)
	require.NoError(t, b.Send(t.Context(), alert()))
	next(t, got)
	stop()
	require.Contains(t, b.paused(), grace)
	require.Contains(t, b.logged(), "stopping")
}

func TestSender_StopsDuringAPause(t *testing.T) {
	t.Parallel()
	url, got := receiver(t, status(500))
	b := setup(t, url)
	pausing := make(chan time.Duration, 1)
	b.After = func(d time.Duration) <-chan time.Time {
		if d != grace {
			pausing <- d
		}
		return nil
	}
	stop := b.start(t)
	require.NoError(t, b.Send(t.Context(), alert()))
	next(t, got)
	require.Equal(t, 7*time.Second, <-pausing)
	stop()
	require.Empty(t, got)
	require.Contains(t, b.logged(), "stopping")
}

func TestSend_SaysWhatCannotBeSent(t *testing.T) {
	t.Parallel()
	b := setup(t, "http://127.0.0.1:1")
	a := alert()
	a.Values["share"] = math.Inf(1)
	require.Error(t, b.Send(t.Context(), a))
	a = alert()
	a.Subject = "\xff"
	require.NoError(t, b.Send(t.Context(), a), "bad text is replaced")
}
