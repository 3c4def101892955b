//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"
)

// window is a headless Chromium that looks at one dashboard. Each of its tabs
// is in front.
type window struct {
	t       *testing.T
	ctx     context.Context
	base    string
	origins []string // that pages may load from
}

// tab is a page of a window. What goes wrong in it fails the test at its end.
type tab struct {
	t    *testing.T
	ctx  context.Context
	base string

	mu       sync.Mutex
	problems []string
	requests int
}

// chromium starts a browser that may load from the dashboard and the API.
func (d *dashboard) chromium(t *testing.T) *window {
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
	ctx, closeAll := chromedp.NewContext(allocated)
	t.Cleanup(closeAll)
	require.NoError(t, chromedp.Do(ctx))
	return &window{t: t, ctx: ctx, base: d.base, origins: []string{d.base, d.api.base}}
}

// tab opens a page in which nobody has signed in. A dialog is agreed to.
func (w *window) tab() *tab {
	w.t.Helper()
	return w.open(chromedp.WithNewBrowserContext())
}

// beside opens another tab of the same person.
func (w *window) beside(t *tab) *tab {
	w.t.Helper()
	return w.open(chromedp.WithExistingBrowserContext(chromedp.FromContext(t.ctx).BrowserContextID))
}

func (w *window) open(in chromedp.ContextOption) *tab {
	w.t.Helper()
	b := &tab{t: w.t, base: w.base}
	ctx, end := chromedp.NewContext(w.ctx, in, chromedp.WithListener(func(event any) { w.watch(b, event) }))
	w.t.Cleanup(end)
	b.ctx = ctx
	_, err := chromedp.Call(ctx, log.Enable, cdp.Empty{})
	require.NoError(w.t, err)
	w.t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		require.Empty(w.t, b.problems)
		require.Positive(w.t, b.requests, "the browser's requests were watched")
	})
	return b
}

func (w *window) watch(b *tab, event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	note := func(s string) { b.problems = append(b.problems, s) }
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		b.requests++
		ok := strings.HasPrefix(e.Request.URL, "data:")
		for _, o := range w.origins {
			ok = ok || strings.HasPrefix(e.Request.URL, o+"/")
		}
		if !ok {
			note("request to another origin: " + e.Request.URL)
		}
	case *runtime.EventExceptionThrown:
		note("exception: " + e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError {
			note("error on the console")
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError {
			note("error in the log: " + e.Entry.Text + " " + e.Entry.URL)
		}
	case *page.EventJavascriptDialogOpening:
		if e.Type != page.DialogTypeConfirm {
			note("dialog: " + e.Message)
		}
		go func() { // not from here: the answer comes by the same way as events
			_, _ = chromedp.Call(b.ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: true})
		}()
	}
}

// forgive takes problems back that contain a text, and returns how many.
func (b *tab) forgive(text string) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var rest []string
	for _, p := range b.problems {
		if strings.Contains(p, text) {
			n++
		} else {
			rest = append(rest, p)
		}
	}
	b.problems = rest
	return n
}

// visit loads a page and requires its status.
func (b *tab) visit(status int64, path string) *network.Response {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, time.Minute)
	defer cancel()
	res, err := chromedp.Run(ctx, chromedp.NavigateResponse(b.base+path))
	require.NoError(b.t, err, path)
	require.NotNil(b.t, res, path)
	require.Equal(b.t, status, res.Status, path)
	return res
}

// js evaluates an expression.
func js[T any](b *tab, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 20*time.Second)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	require.NoError(b.t, err, expression)
	return v
}

// until waits until an expression is true, also when the page is left meanwhile.
func (b *tab) until(expression string, why ...any) {
	b.t.Helper()
	b.within(time.Minute, expression, why...)
}

func (b *tab) within(d time.Duration, expression string, why ...any) {
	b.t.Helper()
	holds := func() bool {
		ctx, cancel := context.WithTimeout(b.ctx, 20*time.Second)
		defer cancel()
		v, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("!!("+expression+")"))
		return err == nil && v
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(d); !holds(); <-tick.C {
		if time.Now().After(end) {
			b.t.Fatalf("never %s %v; the page says:\n%s", expression, why, js[string](b, `location.href + "\n" + document.body.innerText`))
		}
	}
}

// press types keys into whatever has the focus. As with a real keyboard, what a
// page does instead of typing a letter leaves no letter behind.
func (b *tab) press(keys string) {
	b.t.Helper()
	for _, r := range keys {
		events := kb.Encode(r)
		down, up := *events[0], *events[len(events)-1]
		if len(events) > 2 {
			down.Type, down.Text, down.UnmodifiedText = input.DispatchKeyEventTypeKeyDown, events[1].Text, events[1].UnmodifiedText
		}
		for _, e := range []input.DispatchKeyEventParams{down, up} {
			_, err := chromedp.Call(b.ctx, input.DispatchKeyEvent, e)
			require.NoError(b.t, err)
		}
	}
}

// click clicks what a selector finds, when it can be seen. No coordinates: what
// is above may grow between a look at them and the click, and the machine may
// be slow.
func (b *tab) click(selector string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 20*time.Second)
	defer cancel()
	require.NoError(b.t, chromedp.Do(ctx, chromedp.WaitVisible(chromedp.CSS(selector))), selector)
	js[bool](b, fmt.Sprintf("(document.querySelector(%q).click(), true)", selector))
}

// twice is click by somebody who double-clicks everything.
func (b *tab) twice(selector string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 20*time.Second)
	defer cancel()
	require.NoError(b.t, chromedp.Do(ctx, chromedp.DoubleClick(chromedp.CSS(selector))), selector)
}

// fill types into a field.
func (b *tab) fill(selector, text string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 20*time.Second)
	defer cancel()
	require.NoError(b.t, chromedp.Do(ctx, chromedp.Clear(chromedp.CSS(selector)), chromedp.SendKeys(chromedp.CSS(selector), text)), selector)
}

// signIn signs in by the form and is then on the page with that path.
func (b *tab) signIn(name, path string) *tab {
	b.t.Helper()
	b.visit(200, path)
	b.until(`location.pathname === "/login"`)
	b.fill("input[name=name]", name)
	b.fill("input[name=password]", word)
	b.click("main button")
	b.until(`location.pathname + location.search === ` + quoted(path) + ` && document.readyState === "complete"`)
	return b
}

func quoted(s string) string { return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"` }
