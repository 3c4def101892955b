package monitor

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"anb/modules/monitor/access"
	"anb/platform/database"
)

//go:embed assets
var assets embed.FS

// pages renders templates, one set for each language.
type pages struct {
	m      *Module
	sets   map[string]*template.Template
	digest string // of the assets: browsers keep what has it in its address
}

// digestOf is the same as long as all files are.
func digestOf(files fs.FS) (string, error) {
	sum := sha256.New()
	err := fs.WalkDir(files, ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := fs.ReadFile(files, path)
		if err != nil {
			return err
		}
		fmt.Fprintf(sum, "%s %d ", path, len(data))
		sum.Write(data)
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("digest the assets: %w", err)
	}
	return hex.EncodeToString(sum.Sum(nil)[:8]), nil
}

// The languages.
const (
	spanish = "es"
	english = "en"
)

func newPages(m *Module) (*pages, error) {
	digest, err := digestOf(assets)
	if err != nil {
		return nil, err
	}
	p := &pages{m: m, sets: map[string]*template.Template{}, digest: digest}
	for _, lang := range []string{spanish, english} {
		t, err := template.New("").Funcs(m.functions(lang)).ParseFS(assets, "assets/*.html")
		if err != nil {
			return nil, fmt.Errorf("parse templates: %w", err)
		}
		p.sets[lang] = t
	}
	return p, nil
}

// view is what every template gets.
type view struct {
	Lang, Theme, Density, Zone string
	User                       access.Principal
	Open                       bool // nobody has to sign in
	SQLite                     bool // on a laptop: searches are not served by an index
	CanOperate, CanAdmin       bool
	Label, Version, Assets     string
	Nav                        string // the page's name
	Title                      string
	Here                       string // the page's own address, for forms that come back
	Topics                     string // what the page wants to be told of
	Flash                      string
	Query                      string // in the search field
	Snap                       *Snapshot
	H                          Headline
	Page                       any
}

// preferences are a browser's own, kept in a cookie.
type preferences struct{ Lang, Theme, Density, Zone string }

const prefsCookie = "anb_monitor_prefs"

// choices are the values of each preference, the default first.
var choices = map[string][]string{
	"lang": {spanish, english}, "theme": {"auto", "light", "dark"}, "density": {"normal", "dense"}, "zone": {"utc", "local"},
}

func prefsOf(c echo.Context) preferences {
	values := map[string]string{}
	for k, all := range choices {
		values[k] = all[0]
	}
	if k, err := c.Cookie(prefsCookie); err == nil {
		for part := range strings.SplitSeq(k.Value, ".") {
			name, value, _ := strings.Cut(part, "-")
			for _, v := range choices[name] {
				if v == value {
					values[name] = v
				}
			}
		}
	}
	return preferences{values["lang"], values["theme"], values["density"], values["zone"]}
}

// setPreferences handles POST /preferences.
func (m *Module) setPreferences(c echo.Context) error {
	p := prefsOf(c)
	for name, into := range map[string]*string{"lang": &p.Lang, "theme": &p.Theme, "density": &p.Density, "zone": &p.Zone} {
		for _, v := range choices[name] {
			if c.FormValue(name) == v {
				*into = v
			}
		}
	}
	c.SetCookie(&http.Cookie{
		Name: prefsCookie, Value: "lang-" + p.Lang + ".theme-" + p.Theme + ".density-" + p.Density + ".zone-" + p.Zone, Path: "/",
		MaxAge: int((365 * 24 * time.Hour).Seconds()), HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: c.Request().TLS != nil,
	})
	return c.Redirect(http.StatusSeeOther, access.Local(c.FormValue("next")))
}

// view begins what a page gets.
func (m *Module) view(c echo.Context, nav, es, en string) view {
	p := prefsOf(c)
	who, _ := access.From(c.Request().Context())
	s := m.collector.snapshot()
	title := es
	if p.Lang == english {
		title = en
	}
	return view{
		Lang: p.Lang, Theme: p.Theme, Density: p.Density, Zone: p.Zone, User: who, Open: who.Via == access.ViaLocal, SQLite: m.deps.DB.Dialect() == database.SQLite,
		CanOperate: who.Role.Allows(access.Operator), CanAdmin: who.Role.Allows(access.Admin),
		Label: m.deps.Config.Label, Version: m.deps.Version, Assets: m.pages.digest, Nav: nav, Title: title, Here: c.Request().URL.RequestURI(),
		Topics: "strip", Flash: flashWords(p.Lang, c.QueryParam("done")), Snap: s, H: s.Headline(),
	}
}

// render answers a page.
func (p *pages) render(c echo.Context, status int, name string, v view) error {
	var b bytes.Buffer
	if err := p.sets[v.Lang].ExecuteTemplate(&b, name, v); err != nil {
		return fmt.Errorf("render %s: %w", name, err)
	}
	return c.HTMLBlob(status, b.Bytes())
}

// files serves the assets that are no templates; their addresses carry a digest.
func files(digest string) (echo.HandlerFunc, error) {
	sub, err := fs.Sub(assets, "assets")
	if err != nil {
		return nil, err
	}
	h := http.StripPrefix("/assets/", http.FileServerFS(sub))
	return func(c echo.Context) error {
		if strings.HasSuffix(c.Request().URL.Path, ".html") || strings.HasSuffix(c.Request().URL.Path, ".yaml") || strings.HasSuffix(c.Request().URL.Path, "/") {
			return echo.ErrNotFound
		}
		if c.QueryParam("v") == digest {
			c.Response().Header().Set(echo.HeaderCacheControl, "public, max-age=31536000, immutable")
		}
		h.ServeHTTP(c.Response(), c.Request())
		return nil
	}, nil
}
