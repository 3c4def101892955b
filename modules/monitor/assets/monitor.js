// Keeps a page current that works without it. What changes comes as HTML from
// the server; here it is put in place without disturbing focus, selection, what
// is open or what is being typed.
"use strict";

const $ = (sel, root = document) => root.querySelector(sel);
const badge = $("#live");

// sync makes the children of an element like those of another.
function sync(from, to) {
  const keyed = new Map();
  for (const c of from.children) if (c.dataset.key) keyed.set(c.dataset.key, c);
  let at = from.firstChild;
  for (const want of [...to.childNodes]) {
    const key = want.nodeType === 1 && want.dataset.key;
    const have = key && keyed.get(key);
    if (have && have !== at) from.insertBefore(have, at);
    if (have) at = have;
    if (at && at.nodeType === want.nodeType && at.nodeName === want.nodeName && (at.dataset?.key || "") === (key || "")) {
      if (at.nodeType === 1) { attributes(at, want); sync(at, want); } else if (at.data !== want.data) at.data = want.data;
      at = at.nextSibling;
    } else from.insertBefore(document.importNode(want, true), at);
  }
  while (at) { const next = at.nextSibling; at.remove(); at = next; }
}

// attributes leaves alone what the reader has changed.
function attributes(have, want) {
  const own = have.nodeName === "DETAILS" ? ["open"] : ["INPUT", "SELECT", "TEXTAREA"].includes(have.nodeName) ? ["value", "checked"] : have.nodeName === "VIDEO" ? ["src", "poster"] : [];
  for (const a of [...have.attributes]) if (!want.hasAttribute(a.name) && !own.includes(a.name) && a.name !== "hidden") have.removeAttribute(a.name);
  for (const a of want.attributes) if (have.getAttribute(a.name) !== a.value && !own.includes(a.name)) have.setAttribute(a.name, a.value);
}

function selecting(el) {
  const s = getSelection();
  return s && !s.isCollapsed && el.contains(s.anchorNode);
}

function show({ id, html }) {
  const el = document.getElementById(id);
  if (!el || selecting(el)) return;
  const t = document.createElement("template");
  t.innerHTML = html;
  const log = $("#log", el);
  sync(el, t.content);
  if (log && $("#follow")?.checked) log.scrollTop = log.scrollHeight;
  dress(el);
}

// dress adds what only scripts can do.
function dress(root) {
  for (const b of root.querySelectorAll("[data-copy]")) b.hidden = false;
  for (const t of root.querySelectorAll("time")) {
    if (document.documentElement.dataset.zone !== "local") break;
    const local = new Date(t.dateTime).toLocaleString(document.documentElement.lang);
    if (t.textContent === t.title) t.textContent = local;
    t.title = local;
  }
  for (const l of root.querySelectorAll(".log")) l.classList.toggle("nowrap", $("#wrap") ? !$("#wrap").checked : false);
}

// The stream of events, while the page can be seen.
let source = null, opened = 0, heard = 0, away = false;

function connect() {
  const topics = document.body.dataset.topics;
  if (source || !topics || document.hidden) return;
  opened = performance.now();
  heard = 0;
  source = new EventSource("/events?topics=" + encodeURIComponent(topics));
  source.addEventListener("fragment", e => show(JSON.parse(e.data)));
  source.addEventListener("tick", e => {
    const tick = JSON.parse(e.data);
    heard = performance.now();
    away = tick.lost;
    document.title = document.title.replace(/^\(\d+\) /, "").replace(/^/, tick.dead ? `(${tick.dead}) ` : "");
    status();
  });
  source.onerror = () => {
    if (source?.readyState === EventSource.CLOSED) { disconnect(); setTimeout(connect, 3000); }
    status();
  };
}

function disconnect() { source?.close(); source = null; }

// status says how old what is shown is, as soon as that is not what it should be.
function status() {
  if (!badge || !document.body.dataset.topics) return;
  const age = (performance.now() - (heard || opened)) / 1000, broken = source?.readyState !== EventSource.OPEN;
  const state = away || age > 20 || broken && age > 2 ? "lost" : age > 5 ? "old" : heard ? "live" : "new";
  badge.dataset.state = state;
  const words = { new: "…", live: badge.dataset.live, old: `${badge.dataset.old} ${Math.round(age)} s`, lost: away && !broken ? badge.dataset.away : badge.dataset.lost }[state];
  if (badge.textContent !== words) badge.textContent = words;
}

document.addEventListener("visibilitychange", () => document.hidden ? disconnect() : connect());
addEventListener("pagehide", disconnect);
addEventListener("pageshow", connect);
setInterval(status, 1000);

// Selections, questions, copying.
document.addEventListener("change", e => {
  if (e.target.name === "id") {
    const s = $("[data-selected]"), n = document.querySelectorAll("input[name=id]:checked").length;
    if (s) s.textContent = n ? `${n} ${s.dataset.word}` : "";
  }
  if (e.target.id === "wrap") dress(document);
});
document.addEventListener("submit", e => {
  if (e.target.dataset.confirm && !confirm(e.target.dataset.confirm)) e.preventDefault();
});
document.addEventListener("click", e => {
  const b = e.target.closest("[data-copy]");
  if (b) navigator.clipboard?.writeText($(b.dataset.copy).textContent).then(() => { b.textContent = "✔"; });
});

// The search field offers what it may go on with.
const find = $("#find");
let asked = 0;
find?.addEventListener("input", () => {
  clearTimeout(asked);
  asked = setTimeout(async () => {
    const r = await fetch("/complete?q=" + encodeURIComponent(find.value));
    if (!r.ok) return;
    $("#find-hints").replaceChildren(...(await r.json() || []).map(v => new Option("", v)));
  }, 150);
});

// Keys.
const places = { o: "/", j: "/jobs", q: "/queues", w: "/workers", d: "/dead", a: "/audit" };
let going = false;
document.addEventListener("keydown", e => {
  if (e.ctrlKey || e.metaKey || e.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(e.target.nodeName)) return;
  if (going) { going = false; if (places[e.key]) location.href = places[e.key]; return; }
  if (e.key === "g") { going = true; setTimeout(() => { going = false; }, 1500); }
  if (e.key === "/") { e.preventDefault(); find?.focus(); find?.select(); }
  if (e.key === "?") $("#help")?.showModal();
  if (e.key === "j" || e.key === "k") {
    const links = [...document.querySelectorAll("tr[data-row] .what a")];
    const i = links.indexOf(document.activeElement);
    links[Math.max(0, Math.min(links.length - 1, i + (e.key === "j" ? 1 : -1)))]?.focus();
  }
});

dress(document);
connect();
