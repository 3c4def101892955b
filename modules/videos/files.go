package videos

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"anb/platform/httpserver"
	"anb/platform/storage"
)

// originalURL is a short-lived address of one's original, which a <video> tag
// can open although it sends no bearer.
func (h handler) originalURL(ctx context.Context, v Video) (string, error) {
	direct, err := h.Originals.URL(ctx, v.OriginalKey, h.Config.OriginalTTL)
	if err != nil {
		return "", fmt.Errorf("sign original of %s: %w", v.ID, storageFault(err))
	}
	if direct != "" {
		return direct, nil
	}
	return h.PublicURL + OriginalPath(h.SigningKey, v.ID, h.Now().Add(h.Config.OriginalTTL)), nil
}

// OriginalPath is where on the API an original can be had until a time, by
// whoever knows the path. key is Deps.SigningKey.
func OriginalPath(key []byte, id uuid.UUID, until time.Time) string {
	expires := strconv.FormatInt(until.Unix(), 10)
	return "/api/videos/" + id.String() + "/original?expires=" + expires + "&signature=" + sign(key, id, expires)
}

func sign(key []byte, id uuid.UUID, expires string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("original\x00" + id.String() + "\x00" + expires))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// original handles GET /api/videos/{video_id}/original.
func (h handler) original(c echo.Context) error {
	id, err := ParseID(c.Param("video_id"))
	if err != nil {
		return err
	}
	expires, err1 := httpserver.One(c.QueryParams(), "expires")
	signature, err2 := httpserver.One(c.QueryParams(), "signature")
	if err1 != nil || err2 != nil || !hmac.Equal([]byte(signature), []byte(sign(h.SigningKey, id, expires))) {
		return errSignature
	}
	until, err := strconv.ParseInt(expires, 10, 64)
	if err != nil {
		return errSignature
	}
	if h.Now().Unix() > until {
		return errExpired
	}
	v, err := h.store.get(c.Request().Context(), id)
	if err != nil {
		return err
	}
	return h.serve(c, h.Originals, v.OriginalKey, "private, no-store")
}

// immutable is for files whose name is never used for other bytes.
const immutable = "public, max-age=31536000, immutable"

// stream handles GET /api/public/videos/{video_id}/stream.
func (h handler) stream(c echo.Context) error {
	return h.publicFile(c, func(p published) string { return p.ProcessedKey })
}

// thumbnail handles GET /api/public/videos/{video_id}/thumbnail.
func (h handler) thumbnail(c echo.Context) error {
	return h.publicFile(c, func(p published) string { return p.ThumbnailKey })
}

func (h handler) publicFile(c echo.Context, key func(published) string) error {
	id, err := ParseID(c.Param("video_id"))
	if err != nil {
		return err
	}
	p, err := h.store.published(c.Request().Context(), id)
	if err != nil {
		return err
	}
	return h.servePublic(c, key(p), "public, max-age=3600")
}

// processed handles GET /processed/…, where no nginx does. Names cannot be
// guessed, and only files that a published video refers to are there to ask for.
func (h handler) processed(c echo.Context) error {
	key := c.Param("name")
	if t := path.Ext(key); t != ".mp4" && t != ".jpg" {
		return ErrNotFound
	}
	return h.servePublic(c, key, immutable)
}

// servePublic is serve for files that pages of any site may show. The dashboard
// is another site: browsers take two ports of an address without a name for two.
func (h handler) servePublic(c echo.Context, key, caching string) error {
	c.Response().Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
	return h.serve(c, h.Processed, key, caching)
}

// serve sends a file with Range, ETag and HEAD.
func (h handler) serve(c echo.Context, from storage.Store, key, caching string) error {
	file, err := from.Open(c.Request().Context(), key)
	if errors.Is(err, storage.ErrNotExist) || errors.Is(err, storage.ErrBadKey) {
		return ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("open %s: %w", key, storageFault(err))
	}
	defer func() { _ = file.Close() }()
	info := file.Info()
	header := c.Response().Header()
	header.Set(echo.HeaderCacheControl, caching)
	header.Set(echo.HeaderContentType, mediaType(key))
	header.Set("Content-Security-Policy", filePolicy)
	header.Set("ETag", info.ETag)
	_, extend := httpserver.Rolling(c, h.pace())
	w := &fileWriter{ResponseWriter: c.Response(), extend: extend}
	content := &watched{ReadSeeker: file}
	http.ServeContent(w, c.Request(), "", info.ModTime, content)
	switch {
	case w.badRange:
		return errRange
	case content.err != nil && w.pending != 0:
		for _, k := range []string{"ETag", "Last-Modified", "Accept-Ranges", "Content-Range", "Content-Security-Policy"} {
			header.Del(k)
		}
		if errors.Is(content.err, storage.ErrNotExist) { // removed since it was opened
			return ErrNotFound
		}
		return fmt.Errorf("read %s: %w", key, storageFault(content.err))
	}
	w.begin()
	return nil
}

// watched remembers why a file could not be read: ServeContent does not tell.
type watched struct {
	io.ReadSeeker
	err error
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.ReadSeeker.Read(p)
	if err != nil && err != io.EOF { //nolint:errorlint // readers return it bare
		w.err = err
	}
	return n, err
}

// filePolicy lets a browser that opens a file's address show its own player or
// picture, and nothing else.
const filePolicy = "default-src 'none'; media-src 'self'; img-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"

// fileWriter gives each chunk of a download a deadline of its own, and holds
// the head of the answer back until there is something of the file to send:
// before that a bad range, which ServeContent would answer in plain text, and a
// storage that is away become problem documents.
type fileWriter struct {
	http.ResponseWriter
	extend   func()
	pending  int // the status that is held back; 0: none
	badRange bool
}

func (w *fileWriter) WriteHeader(status int) {
	if w.badRange = status == http.StatusRequestedRangeNotSatisfiable; !w.badRange {
		w.pending = status
	}
}

// begin sends the head of the answer.
func (w *fileWriter) begin() {
	if w.pending != 0 {
		w.ResponseWriter.WriteHeader(w.pending)
		w.pending = 0
	}
}

func (w *fileWriter) Write(p []byte) (int, error) {
	if w.badRange {
		return len(p), nil
	}
	w.begin()
	w.extend()
	return w.ResponseWriter.Write(p)
}

// mediaType is decided by our own key, never by what a client sent.
func mediaType(key string) string {
	ext := path.Ext(key)
	if ext == ".jpg" {
		return "image/jpeg"
	}
	if t, ok := formats[ext[min(1, len(ext)):]]; ok {
		return t
	}
	return echo.MIMEOctetStream
}
