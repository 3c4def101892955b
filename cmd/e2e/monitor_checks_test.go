//go:build e2e

package e2e

import (
	"context"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// checks define what every page must have: check() lists what is wrong with
// the structure, contrast() the texts that are hard to read (WCAG 2.2, AA), and
// narrow() what does not fit into the width.
const checks = `(() => {
const visible = e => e.checkVisibility({opacityProperty: true, visibilityProperty: true, contentVisibilityAuto: true}) && e.getClientRects().length > 0;
const path = e => e.nodeName.toLowerCase() + (e.id ? "#" + e.id : "") + (e.classList.length ? "." + [...e.classList].join(".") : "") + " " + JSON.stringify(e.textContent.trim().slice(0, 40));
const name = e => (e.getAttribute("aria-label") || (e.labels && [...e.labels].map(l => l.textContent).join(" ")) || e.textContent || e.title || "").trim();
window.check = () => {
	const out = [], all = s => [...document.querySelectorAll(s)];
	if (!document.documentElement.lang) out.push("no language");
	if (!document.title) out.push("no title");
	if (all("h1").length !== 1) out.push(all("h1").length + " h1");
	if (all("main").length !== 1) out.push(all("main").length + " main");
	const ids = all("[id]").map(e => e.id);
	for (const id of new Set(ids)) if (ids.filter(x => x === id).length > 1) out.push("id " + id + " is there twice");
	for (const e of all("input:not([type=hidden]), select, textarea, button, a[href], summary")) if (!name(e)) out.push("no name: " + e.outerHTML.slice(0, 120));
	for (const e of all("img")) if (!e.hasAttribute("alt")) out.push("no alt: " + e.outerHTML);
	for (const e of all("img")) if (e.complete && !e.naturalWidth && visible(e)) out.push("broken: " + e.outerHTML);
	for (const e of all("svg")) if (!e.querySelector("title")) out.push("svg without a title");
	for (const e of all("progress, dialog, nav, section[aria-label]")) if (e.nodeName === "PROGRESS" && !e.getAttribute("aria-label")) out.push("no name: " + path(e));
	for (const e of all("[aria-labelledby], [aria-describedby], label[for], input[list]")) for (const a of ["aria-labelledby", "aria-describedby", "for", "list"])
		if (e.hasAttribute(a) && !document.getElementById(e.getAttribute(a))) out.push(a + " leads nowhere: " + path(e));
	for (const e of all("pre")) if (e.scrollHeight > e.clientHeight + 1 && e.tabIndex < 0) out.push("cannot be scrolled by keyboard: " + path(e));
	for (const e of all("[style]")) out.push("style of its own: " + path(e));
	let last = 1;
	for (const e of all("h1, h2, h3, h4")) { const n = +e.nodeName[1]; if (visible(e) && n > last + 1) out.push("h" + n + " after h" + last); last = n; }
	return out;
};
const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
const known = new Map();
const rgba = c => {
	if (!known.has(c)) { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = c; canvas.fillRect(0, 0, 1, 1); known.set(c, [...canvas.getImageData(0, 0, 1, 1).data]); }
	return known.get(c);
};
const over = (a, b) => { const k = a[3] / 255; return [0, 1, 2].map(i => a[i] * k + b[i] * (1 - k)).concat(255); };
const light = c => { const [r, g, b] = c.slice(0, 3).map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
const behind = e => { let out = [0, 0, 0, 0], stack = []; for (; e; e = e.parentElement) { const c = rgba(getComputedStyle(e).backgroundColor); stack.push(c); if (c[3] === 255) break; }
	out = [255, 255, 255, 255]; for (const c of stack.reverse()) out = over(c, out); return out; };
window.contrast = () => {
	const out = new Set(), walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	let texts = 0;
	for (let n; n = walker.nextNode();) {
		const e = n.parentElement;
		if (!n.data.trim() || !visible(e) || e.closest("script, noscript, [disabled], .visually-hidden, .skip, [aria-hidden=true]")) continue;
		texts++;
		const s = getComputedStyle(e), b = behind(e), t = over(rgba(e.closest("svg") ? s.fill : s.color), b);
		const [x, y] = [light(t), light(b)].sort((p, q) => q - p), ratio = (x + 0.05) / (y + 0.05);
		const size = parseFloat(s.fontSize), large = size >= 24 || size >= 18.66 && s.fontWeight >= 700;
		if (ratio < (large ? 3 : 4.5)) out.add(ratio.toFixed(2) + ": " + path(e));
	}
	if (texts < 4) out.add("only " + texts + " texts");
	return [...out];
};
window.narrow = () => {
	const out = [], width = document.documentElement.clientWidth;
	if (document.documentElement.scrollWidth > width) {
		out.push("scrolls sideways: " + document.documentElement.scrollWidth + " of " + width);
		for (const e of document.querySelectorAll("body *")) if (visible(e) && e.getBoundingClientRect().right > width + 1 && !e.closest(".wide, .log, .rail ul, .visually-hidden")) out.push(path(e));
	}
	for (const e of document.querySelectorAll("button, input:not([type=hidden], [type=checkbox]), select")) { const r = e.getBoundingClientRect(); if (visible(e) && (r.height < 24 || r.width < 24)) out.push("too small to touch: " + path(e)); }
	return out.slice(0, 12);
};
return true;
})()`

// flaws lists what is badly made on the page as it stands, in the light and in
// the dark, on a desk and on a phone.
func (b *tab) flaws(page string) (out []string) {
	b.t.Helper()
	add := func(where string, found []string) {
		for _, f := range found {
			out = append(out, page+where+": "+f)
		}
	}
	require.True(b.t, js[bool](b, checks))
	add("", js[[]string](b, `check()`))
	for _, scheme := range []string{"light", "dark"} {
		b.scheme(scheme)
		add(", "+scheme, js[[]string](b, `contrast()`))
	}
	b.size(360, 740)
	add(", on a phone", js[[]string](b, `narrow()`))
	b.size(1280, 800)
	add(", on a desk", js[[]string](b, `narrow()`))
	return out
}

// scheme is what the system says that its owner likes.
func (b *tab) scheme(scheme string) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
	require.NoError(b.t, err)
}

func (b *tab) size(width, height int64) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 20*time.Second)
	defer cancel()
	require.NoError(b.t, chromedp.Do(ctx, chromedp.EmulateViewport(width, height)))
}
