package openapi_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"anb/platform/openapi"
)

func get(t *testing.T, h http.Handler, path string, header ...string) *http.Response {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, req)
	return rec.Result()
}

func TestHandler_UnknownAssetGoesToNotFound(t *testing.T) {
	t.Parallel()
	h := openapi.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	for _, path := range []string{"/docs/assets/none.js", "/docs/assets/", "/docs/assets/../openapi.go", "/docs/assets/swagger-ui.js.map", "/"} {
		require.Equal(t, http.StatusTeapot, get(t, h, path).StatusCode, path)
	}
}

func TestHandler_PagesNeedNothingFromElsewhere(t *testing.T) {
	t.Parallel()
	h := openapi.Handler(nil)
	links := regexp.MustCompile(`(?:src|href)="([^"#]+)"`)
	for _, page := range []string{"/docs", "/redoc", "/docs/errors"} {
		res := get(t, h, page)
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.Equal(t, openapi.ContentSecurityPolicy, res.Header.Get("Content-Security-Policy"))
		require.NotRegexp(t, `<script>|<style|style=| on[a-z]+=`, string(body), "%s: nothing inline", page)
		for _, m := range links.FindAllStringSubmatch(string(body), -1) {
			require.True(t, strings.HasPrefix(m[1], "/"), "%s refers to %s", page, m[1])
			require.Equal(t, http.StatusOK, get(t, h, m[1]).StatusCode, "%s refers to %s", page, m[1])
		}
	}
}

func TestHandler_EveryAnswerCanBeCached(t *testing.T) {
	t.Parallel()
	h := openapi.Handler(nil)
	for _, path := range openapi.Paths() {
		path = strings.Replace(path, "*", "redoc.standalone.js", 1)
		first := get(t, h, path)
		require.Equal(t, http.StatusOK, first.StatusCode, path)
		require.NotEmpty(t, first.Header.Get("Cache-Control"))
		again := get(t, h, path, "If-None-Match", first.Header.Get("ETag"))
		require.Equal(t, http.StatusNotModified, again.StatusCode, path)
		require.Equal(t, http.StatusOK, get(t, h, path, "Range", "bytes=0-3").StatusCode, "whole files only")
	}
}

func TestJSON_KeepsTheOrderOfTheDocument(t *testing.T) {
	t.Parallel()
	text, err := openapi.JSON()
	require.NoError(t, err)
	require.True(t, json.Valid(text))
	require.Less(t, strings.Index(string(text), `"/api/auth/signup"`), strings.Index(string(text), `"/api/auth/login"`))
}

func TestCatalogue_NamesEachCodeOnceAndThePageShowsIt(t *testing.T) {
	t.Parallel()
	codes, err := openapi.Catalogue()
	require.NoError(t, err)
	page, err := io.ReadAll(get(t, openapi.Handler(nil), "/docs/errors").Body)
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, e := range codes {
		require.False(t, seen[e.Code], e.Code)
		seen[e.Code] = true
		require.True(t, strings.HasSuffix(e.Detail, "."), "%s: a full sentence", e.Code)
		require.Contains(t, string(page), `id="`+e.Code+`"`)
	}
}

func TestPackage_DoesNotLinkTheValidator(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "anb/platform/openapi").Output()
	require.NoError(t, err)
	require.NotContains(t, string(out), "kin-openapi")
}
