//go:build e2e

package e2e

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"anb/platform/ffmpeg/ffmpegtest"
)

// browser starts a headless Chromium with a fresh profile. Requests to another
// origin and messages of errors on the console fail the test.
func browser(t *testing.T, base string) context.Context {
	t.Helper()
	if _, err := exec.LookPath("chromium"); err != nil {
		if os.Getenv("ANB_TEST_REQUIRE") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath("chromium"), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true))
	allocated, end := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(end)
	ctx, closeTab := chromedp.NewContext(allocated)
	t.Cleanup(closeTab)
	ctx, cancel := context.WithTimeout(ctx, patience)
	t.Cleanup(cancel)
	var mu sync.Mutex
	var problems []string
	var seen atomic.Int64
	note := func(s string) {
		mu.Lock()
		defer mu.Unlock()
		problems = append(problems, s)
	}
	require.NoError(t, chromedp.Listen(ctx, func(event any) {
		switch e := event.(type) {
		case *network.EventRequestWillBeSent:
			seen.Add(1)
			if u := e.Request.URL; !strings.HasPrefix(u, base+"/") && !strings.HasPrefix(u, "data:") && !strings.HasPrefix(u, "blob:") {
				note("request to another origin: " + u)
			}
		case *runtime.EventExceptionThrown:
			note("exception: " + e.ExceptionDetails.Text)
		case *runtime.EventConsoleAPICalled:
			if e.Type == runtime.ConsoleAPICalledTypeError {
				note("error on the console")
			}
		}
	}))
	t.Cleanup(func() {
		mu.Lock()
		defer mu.Unlock()
		require.Empty(t, problems)
		require.Positive(t, seen.Load(), "the browser's requests were watched")
	})
	return ctx
}

func visit(t *testing.T, ctx context.Context, address string) {
	t.Helper()
	_, err := chromedp.Run(ctx, chromedp.Navigate(address))
	require.NoError(t, err)
}

// become polls a JavaScript expression until it is a non-empty string.
func become(t *testing.T, ctx context.Context, expression string) string {
	t.Helper()
	s, err := chromedp.Run(ctx, chromedp.Poll[string](expression, chromedp.WithPollingInterval(100*time.Millisecond)))
	require.NoError(t, err)
	return s
}

// play plays the page's video without sound; once it has ended it is the
// video's size and length.
const play = `(() => {
	const v = document.querySelector('video');
	if (!v) return '';
	v.muted = true;
	if (v.error) return 'error ' + v.error.message;
	if (v.ended) return [v.videoWidth, v.videoHeight, v.duration].join(' ');
	if (v.paused) v.play();
	return '';
})()`

func TestBrowser(t *testing.T) {
	t.Parallel()
	p := start(t, binary(t), t.TempDir(), append([]string{"ANB_HTTP_ADDR=127.0.0.1:0"}, quick...), "dev")
	c := newClient(t, p.base())
	ana := c.join("Ana", "Cali")
	id := ana.upload("Mi mejor jugada", ffmpegtest.Clip(t, ffmpegtest.Spec{Seconds: 3}))
	v := ana.processed(id, patience)
	t.Run("plays the result to its end, by its address alone", func(t *testing.T) {
		ctx := browser(t, c.base)
		visit(t, ctx, c.base+v["processed_url"].(string))
		require.Equal(t, "320 180 3", become(t, ctx, play))
	})
	t.Run("plays the original by its signed address", func(t *testing.T) {
		ctx := browser(t, c.base)
		visit(t, ctx, c.base+v["original_url"].(string))
		require.Equal(t, "320 180 3", become(t, ctx, play))
	})
	t.Run("shows the documentation without another server", func(t *testing.T) {
		ctx := browser(t, c.base)
		for path, expression := range map[string]string{
			"/docs":        `document.querySelectorAll('.opblock').length > 20 ? document.title : ''`,
			"/redoc":       `document.querySelector('[role=navigation], .menu-content') ? document.title : ''`,
			"/docs/errors": `document.body.innerText.includes('VIDEO_NOT_FOUND') ? document.title : ''`,
			"/":            `document.querySelector('a[href="/docs"]') ? document.title : ''`,
		} {
			visit(t, ctx, c.base+path)
			require.NotEmpty(t, become(t, ctx, expression), path)
		}
	})
	t.Run("authorizes in the documentation with e-mail and password", func(t *testing.T) {
		ctx := browser(t, c.base)
		visit(t, ctx, c.base+"/docs")
		const fill = `(() => {
			const set = (e, s) => { Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set.call(e, s); e.dispatchEvent(new Event('input', {bubbles: true})); };
			const open = document.querySelector('.btn.authorize'), name = document.querySelector('#oauth_username'), word = document.querySelector('#oauth_password');
			if (!name) { if (open) open.click(); return ''; }
			set(name, 'ana@example.co'); set(word, 'StrongPass123');
			[...document.querySelectorAll('.modal-ux .auth-btn-wrapper .authorize')].find(b => b.closest('.auth-container').contains(name)).click();
			return 'sent';
		})()`
		require.Equal(t, "sent", become(t, ctx, fill))
		require.Equal(t, "in", become(t, ctx, `[...document.querySelectorAll('.modal-ux h6')].some(h => /authorized/i.test(h.innerText)) || [...document.querySelectorAll('.modal-ux button')].some(b => b.innerText === 'Logout') ? 'in' : ''`))
	})
	status, _, header := c.do(http.MethodGet, v["processed_url"].(string), "", nil)
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "nosniff", header.Get("X-Content-Type-Options"))
}
