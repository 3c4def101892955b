//go:build e2e

package e2e

import (
	"net/http"
	"testing"

	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"
)

// focus describes what has the focus, and whether that can be seen.
const focus = `(() => {
	const e = document.activeElement, s = getComputedStyle(e);
	return (e.getAttribute("href") || e.id || e.name || e.nodeName) + (s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 2 && e.matches(":focus-visible") ? "" : " INVISIBLE");
})()`

func (s *scene) byKeyboard(t *testing.T, w *window) {
	b := w.tab()
	b.visit(http.StatusOK, "/")
	b.until(`document.activeElement.name === "name"`, "the form waits for a name")
	b.press(operator + kb.Tab + word + kb.Enter)
	b.until(`location.pathname === "/" && document.querySelector("#live").dataset.state === "live"`)
	var order []string
	for range 9 {
		b.press(kb.Tab)
		order = append(order, js[string](b, focus))
	}
	require.Equal(t, []string{"#main", "/", "/", "/jobs", "/queues", "/workers", "/dead", "/audit", "find"}, order)
	b.press(kb.Escape + kb.Shift)
	js[bool](b, `document.activeElement.blur() || true`)
	b.press("?")
	b.until(`document.querySelector("#help").open`)
	b.press(kb.Escape)
	b.until(`!document.querySelector("#help").open`)
	for keys, path := range map[string]string{"gq": "/queues", "gw": "/workers", "gd": "/dead", "ga": "/audit", "go": "/"} {
		b.press(keys)
		b.until(`location.pathname === "` + path + `" && document.readyState === "complete"`)
	}
	b.press("/")
	b.until(`document.activeElement.id === "find"`)
	b.press("state:waiting" + kb.Enter)
	b.until(`location.search === "?q=state%3Awaiting" && document.readyState === "complete"`)
	b.press("gj")
	b.until(`location.search === "" && location.pathname === "/jobs" && document.readyState === "complete"`)
	b.press("j")
	first := js[string](b, focus)
	b.press("j")
	require.NotEqual(t, first, js[string](b, focus))
	b.press("k")
	require.Equal(t, first, js[string](b, focus))

	b.press("/")
	b.press(s.waiting.ID + kb.Enter)
	b.until(`location.pathname === "/jobs/` + s.waiting.ID + `" && document.readyState === "complete"`)
	for range 40 {
		if b.press(kb.Tab); js[bool](b, `document.activeElement.matches("form[action$='/cancel'] button")`) {
			break
		}
	}
	require.NotContains(t, js[string](b, focus), "INVISIBLE")
	b.press(kb.Enter)
	b.until(`location.search === "?done=job.cancel"`)
	require.Equal(t, "cancelled", s.job(s.waiting.Video).State)
	require.Equal(t, []string{"olga job.cancel done"}, s.audited(s.waiting.ID))
}
