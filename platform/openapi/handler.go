package openapi

import (
	"bytes"
	"embed"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"html/template"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	redoc "github.com/mvrilo/go-redoc"
	swaggerfiles "github.com/swaggo/files/v2"
)

// ContentSecurityPolicy is what the documentation pages carry. Both viewers
// write style attributes, and Redoc searches in a worker made from a blob.
const ContentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; " +
	"img-src 'self' data:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

const assetPrefix = "/docs/assets/"

//go:embed assets
var own embed.FS

// Paths lists what Handler answers with GET and HEAD; the last one ends in *.
func Paths() []string {
	return []string{"/openapi.json", "/openapi.yaml", "/docs", "/redoc", "/docs/errors", assetPrefix + "*"}
}

// asset is one file and how it is served. The tag is computed on first use,
// in a stream: the big scripts are never held on the heap.
type asset struct {
	contentType string
	open        func() (io.ReadSeeker, error)
	tag         func() (string, error)
	page        bool
}

// Handler serves the document, its pages and their assets. notFound answers
// an unknown asset; nil means http.NotFound. Methods are the caller's matter:
// whatever arrives is answered like GET or HEAD.
func Handler(notFound http.Handler) http.Handler {
	if notFound == nil {
		notFound = http.HandlerFunc(http.NotFound)
	}
	assets := map[string]asset{
		"/openapi.json": newAsset("application/json", true, lazy(JSON)),
		"/openapi.yaml": newAsset("application/yaml", true, func() (io.ReadSeeker, error) { return strings.NewReader(document), nil }),
		"/docs":         newAsset("text/html; charset=utf-8", true, file(own, "assets/docs.html")),
		"/redoc":        newAsset("text/html; charset=utf-8", true, file(own, "assets/redoc.html")),
		"/docs/errors":  newAsset("text/html; charset=utf-8", true, lazy(errorsPage)),

		assetPrefix + "redoc.standalone.js": newAsset("text/javascript; charset=utf-8", false, func() (io.ReadSeeker, error) { return strings.NewReader(redoc.JavaScript), nil }),
	}
	for _, name := range []string{"docs.js", "redoc.js", "docs.css", "errors.css"} {
		assets[assetPrefix+name] = newAsset(typeOf(name), false, file(own, "assets/"+name))
	}
	for _, name := range []string{"swagger-ui-bundle.js", "swagger-ui-standalone-preset.js", "swagger-ui.css", "favicon-32x32.png"} {
		assets[assetPrefix+name] = newAsset(typeOf(name), false, file(swaggerfiles.FS, name))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, ok := assets[r.URL.Path]
		if !ok && r.URL.Path != "/" {
			a, ok = assets[strings.TrimSuffix(r.URL.Path, "/")]
		}
		if !ok {
			notFound.ServeHTTP(w, r)
			return
		}
		a.serve(w, r)
	})
}

func (a asset) serve(w http.ResponseWriter, r *http.Request) {
	content, err := a.open()
	if err != nil {
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	tag, err := a.tag()
	if err != nil {
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", a.contentType)
	h.Set("ETag", tag)
	h.Set("X-Content-Type-Options", "nosniff")
	if a.page {
		h.Set("Cache-Control", "no-cache")
		h.Set("Content-Security-Policy", ContentSecurityPolicy)
	} else {
		h.Set("Cache-Control", "public, max-age=86400")
	}
	// Whole files only: parts of a script are of no use to anyone.
	r.Header.Del("Range")
	http.ServeContent(w, r, "", time.Time{}, content)
}

func newAsset(contentType string, page bool, open func() (io.ReadSeeker, error)) asset {
	return asset{contentType: contentType, page: page, open: open, tag: sync.OnceValues(func() (string, error) {
		content, err := open()
		if err != nil {
			return "", err
		}
		sum := fnv.New128a()
		if _, err := io.Copy(sum, content); err != nil {
			return "", fmt.Errorf("hash asset: %w", err)
		}
		return `"` + hex.EncodeToString(sum.Sum(nil)) + `"`, nil
	})}
}

// file opens name anew for each answer; an embedded file reads straight from
// the binary.
func file(fsys fs.FS, name string) func() (io.ReadSeeker, error) {
	return func() (io.ReadSeeker, error) {
		f, err := fsys.Open(name)
		if err != nil {
			return nil, fmt.Errorf("open asset: %w", err)
		}
		rs, ok := f.(io.ReadSeeker)
		if !ok {
			return nil, fmt.Errorf("open asset %s: %T cannot seek", name, f)
		}
		return rs, nil
	}
}

// lazy makes small content on first use and keeps it.
func lazy(make func() ([]byte, error)) func() (io.ReadSeeker, error) {
	once := sync.OnceValues(make)
	return func() (io.ReadSeeker, error) {
		content, err := once()
		if err != nil {
			return nil, err
		}
		return bytes.NewReader(content), nil
	}
}

func errorsPage() ([]byte, error) {
	codes, err := Catalogue()
	if err != nil {
		return nil, err
	}
	page, err := template.ParseFS(own, "assets/errors.html")
	if err != nil {
		return nil, fmt.Errorf("parse errors page: %w", err)
	}
	var out bytes.Buffer
	if err := page.Execute(&out, codes); err != nil {
		return nil, fmt.Errorf("render errors page: %w", err)
	}
	return out.Bytes(), nil
}

func typeOf(name string) string {
	switch path.Ext(name) {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	default:
		return "image/png"
	}
}
