package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestNewSender_RefusesAddressesThatCannotWork(t *testing.T) {
	t.Parallel()
	log := slog.New(slog.DiscardHandler)
	for name, c := range map[string]Config{
		"a file":         {URLs: []string{"file:///etc/passwd"}, Secret: secret},
		"another scheme": {URLs: []string{"gopher://host/hunter2"}, Secret: secret},
		"no host":        {URLs: []string{"http://:80/hunter2"}, Secret: secret},
		"no address":     {URLs: []string{"hunter2"}, Secret: secret},
		"an empty one":   {URLs: []string{"https://host", ""}, Secret: secret},
		"a broken one":   {URLs: []string{"http://user:hunter2@host:port"}, Secret: secret},
		"a short secret": {URLs: []string{"https://host"}, Secret: secret[1:]},
	} {
		_, err := NewSender(Deps{Config: c, Now: time.Now, After: time.After, Log: log})
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), "hunter2", name)
	}
	for name, d := range map[string]Deps{
		"no clock": {After: time.After, Log: log}, "no timer": {Now: time.Now, Log: log}, "no log": {Now: time.Now, After: time.After},
	} {
		_, err := NewSender(d)
		require.Error(t, err, name)
	}
	_, err := NewSender(Deps{Now: time.Now, After: time.After, Log: log})
	require.NoError(t, err, "no addresses, no secret")
	_, err = NewSender(Deps{Config: Config{URLs: []string{"http://10.0.0.7:9/x"}, Secret: secret}, Now: time.Now, After: time.After, Log: log})
	require.NoError(t, err, "a private address")
}

func TestSender_TriesAgainWithTheSameDelivery(t *testing.T) {
	t.Parallel()
	url, got := receiver(t, status(500, 503, 408, 425, 204))
	b := setup(t, url)
	stop := b.start(t)
	require.NoError(t, b.Send(t.Context(), alert()))
	first := next(t, got)
	for range 4 {
		require.Equal(t, first, next(t, got))
	}
	require.NoError(t, b.Send(t.Context(), alert()))
	require.NotEqual(t, first.header.Get("Anb-Delivery"), next(t, got).header.Get("Anb-Delivery"), "another one")
	stop()
	require.Empty(t, got)
	require.Empty(t, b.logged())
	require.Equal(t, []time.Duration{7 * time.Second, 14 * time.Second, 28 * time.Second, 56 * time.Second}, b.paused())
}

func TestSender_SignsWhatItPosts(t *testing.T) {
	t.Parallel()
	url, got := receiver(t, status(200))
	b := setup(t, url)
	b.start(t)
	require.NoError(t, b.Send(t.Context(), alert()))
	p := next(t, got)
	require.Equal(t, `{"id":"no_workers:video:1772366400000","kind":"no_workers","phase":"begun","subject":"video",`+
		`"since":"2026-03-01T12:00:00Z","at":"2026-03-01T12:01:00Z","values":{"oldest_seconds":90.5,"waiting":41},`+
		`"text":"Nadie atiende la cola «video»."}`, p.body)
	mac := hmac.New(sha256.New, []byte(secret))
	_, err := io.WriteString(mac, "1772366400."+p.body)
	require.NoError(t, err)
	require.Equal(t, fmt.Sprintf("t=1772366400,v1=%x", mac.Sum(nil)), p.header.Get("Anb-Signature"))
	require.Equal(t, "application/json", p.header.Get("Content-Type"))
	require.Len(t, p.header.Get("Anb-Delivery"), 36)

	// printf '1.{}' | openssl dgst -sha256 -hmac key
	require.Equal(t, "t=1,v1=1ba6b8171186efc613e8bcc0cbdab2748f24984d7c5a84faa2637afa0e40d224", sign("key", time.Unix(1, 0), []byte("{}")))
}

func TestSender_GivesUpAfterAQuarterOfAnHour(t *testing.T) {
	t.Parallel()
	url, got := receiver(t, status(502))
	url = strings.Replace(url, "http://", "http://operator:hunter2@", 1) + "/hunter3?token=hunter4"
	for jitter, want := range map[float64]time.Duration{0: 711200 * time.Millisecond, 0.5: 889 * time.Second, 1: 1066800 * time.Millisecond} {
		b := setup(t, url)
		b.jitter = func() float64 { return jitter }
		b.start(t)
		require.NoError(t, b.Send(t.Context(), alert()))
		for range 8 {
			next(t, got)
		}
		require.Eventually(t, func() bool { return strings.Contains(b.logged(), "alert not delivered") }, 10*time.Second, time.Millisecond)
		require.Empty(t, got)
		var sum time.Duration
		for _, p := range b.paused() {
			sum += p
		}
		require.Equal(t, want, sum)
		require.Contains(t, b.logged(), "502")
		require.Contains(t, b.logged(), "alert=no_workers")
		require.NotContains(t, b.logged(), "hunter")
	}
}

func TestSender_WaitsAsLongAsItIsAskedTo(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]time.Duration{
		"120":                           2 * time.Minute,
		"Sun, 01 Mar 2026 12:03:00 GMT": 3 * time.Minute,
		"1":                             7 * time.Second,
		"0":                             7 * time.Second,
		"-5":                            7 * time.Second,
		"bald":                          7 * time.Second,
		"Sun, 01 Mar 2026 11:00:00 GMT": 7 * time.Second,
		"999999999":                     15 * time.Minute,
		"99999999999999999999":          7 * time.Second,
		"Sun, 01 Mar 2099 12:00:00 GMT": 15 * time.Minute,
	} {
		url, got := receiver(t, func(w http.ResponseWriter, _ *http.Request, nth int) {
			if nth == 1 {
				w.Header().Set("Retry-After", header)
				w.WriteHeader(http.StatusTooManyRequests)
			}
		})
		b := setup(t, url)
		stop := b.start(t)
		require.NoError(t, b.Send(t.Context(), alert()))
		next(t, got)
		next(t, got)
		stop()
		require.Equal(t, []time.Duration{want}, b.paused(), header)
	}
}

func TestSender_DoesNotInsistOrFollow(t *testing.T) {
	t.Parallel()
	elsewhere, strayed := receiver(t, status(200))
	for _, code := range []int{301, 302, 307, 308, 400, 401, 403, 404, 410} {
		url, got := receiver(t, func(w http.ResponseWriter, r *http.Request, _ int) {
			w.Header().Set("Location", elsewhere)
			w.WriteHeader(code)
		})
		b := setup(t, url)
		b.start(t)
		require.NoError(t, b.Send(t.Context(), alert()))
		next(t, got)
		require.Eventually(t, func() bool { return strings.Contains(b.logged(), fmt.Sprint(code)) }, 10*time.Second, time.Millisecond)
		require.Empty(t, got)
		require.Empty(t, b.paused())
	}
	require.Empty(t, strayed)
}

func TestSender_OutlastsReceiversThatMisbehave(t *testing.T) {
	t.Parallel()
	for name, misbehave := range map[string]func(w http.ResponseWriter, r *http.Request){
		"silent": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"abrupt": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		url, got := receiver(t, func(w http.ResponseWriter, r *http.Request, nth int) {
			if nth == 1 {
				misbehave(w, r)
			}
		})
		b := setup(t, url)
		b.timeout = 100 * time.Millisecond
		b.start(t)
		require.NoError(t, b.Send(t.Context(), alert()))
		require.Equal(t, next(t, got).body, next(t, got).body, name)
	}
}

func TestSender_ReadsNoMoreThanItNeeds(t *testing.T) {
	t.Parallel()
	left := make(chan struct{})
	url, got := receiver(t, func(w http.ResponseWriter, r *http.Request, nth int) {
		if nth > 1 {
			return
		}
		defer close(left)
		for {
			if _, err := w.Write(make([]byte, 32<<10)); err != nil {
				return
			}
		}
	})
	b := setup(t, url)
	b.timeout = time.Minute
	b.start(t)
	require.NoError(t, b.Send(t.Context(), alert()))
	require.NoError(t, b.Send(t.Context(), alert()))
	next(t, got)
	next(t, got)
	<-left
	require.Empty(t, b.paused(), "an endless answer is an answer")
}

func TestSender_HidesTheAddressWhenNobodyIsThere(t *testing.T) {
	t.Parallel()
	b := setup(t, "http://operator:hunter2@127.0.0.1:1/hunter3")
	b.start(t)
	require.NoError(t, b.Send(t.Context(), alert()))
	require.Eventually(t, func() bool { return strings.Contains(b.logged(), "refused") }, 10*time.Second, time.Millisecond)
	require.Contains(t, b.logged(), "host=127.0.0.1:1")
	require.NotContains(t, b.logged(), "hunter")
	require.Len(t, b.paused(), 7)
}
