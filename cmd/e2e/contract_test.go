//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"anb/platform/ffmpeg/ffmpegtest"
	"anb/platform/openapi/openapitest"
)

// Every operation of the contract is exercised, every answer checked against
// openapi.yaml: the checker fails on a field that is missing or not documented.
func TestContract(t *testing.T) {
	t.Parallel()
	p := start(t, binary(t), t.TempDir(), append([]string{"ANB_HTTP_ADDR=127.0.0.1:0"}, quick...), "dev")
	checker := openapitest.New(t)
	c := &client{t: t, base: p.base(), http: &http.Client{Transport: checker.Transport(http.DefaultTransport), Timeout: patience}}
	ana := c.join("Ana", "Bogotá")
	clip := ffmpegtest.Clip(t, ffmpegtest.Spec{Seconds: 3})

	id := contractOfOwnVideos(t, ana, clip)
	contractOfPublicVideos(t, c, ana, id)
	contractOfAccounts(t, c)
	for _, path := range []string{
		"/health", "/api/health", "/readyz", "/api/limits", "/openapi.json", "/openapi.yaml", "/docs", "/redoc", "/docs/errors",
		"/docs/assets/swagger-ui-bundle.js", "/docs/assets/redoc.standalone.js",
	} {
		status, _, _ := c.do(http.MethodGet, path, "", nil)
		require.Equal(t, http.StatusOK, status, path)
		status, body, _ := c.do(http.MethodHead, path, "", nil)
		require.Equal(t, http.StatusOK, status, path)
		require.Empty(t, body)
	}
	for _, accept := range []string{"application/json", "text/html"} {
		status, _, _ := c.do(http.MethodGet, "/", "", nil, "Accept", accept)
		require.Equal(t, http.StatusOK, status)
	}
	for path, code := range map[string]string{
		"/api/nothing": "NOT_FOUND", "/api/videos/abc": "UNAUTHENTICATED", "/api/public/videos/abc": "VIDEO_NOT_FOUND",
		"/api/public/videos?limit=0": "INVALID_PARAMETER", "/api/public/rankings?limit=x": "INVALID_PARAMETER",
		"/processed/nothing.mp4": "VIDEO_NOT_FOUND", "/api/jobs/1": "JOB_NOT_FOUND",
	} {
		_, body, _ := c.do(http.MethodGet, path, "", nil)
		require.Contains(t, string(body), `"`+code+`"`, path)
	}
	status, _, header := c.do(http.MethodPut, "/api/videos", "", nil)
	require.Equal(t, http.StatusMethodNotAllowed, status)
	require.Contains(t, header.Get("Allow"), "POST")

	require.Empty(t, checker.Uncovered(), "operations of the contract that nothing here exercises")
}

func contractOfOwnVideos(t *testing.T, ana *client, clip string) (published string) {
	id := ana.upload("Mi mejor jugada", clip)
	watched := watch(t, ana, id)
	require.Contains(t, watched, `"status":"processed"`)
	v := ana.video(id)
	require.Equal(t, 100.0, v["progress"])
	job := ana.object(http.StatusOK, http.MethodGet, "/api/jobs/"+v["task_id"].(string), nil)
	require.Equal(t, "done", job["status"])
	require.Equal(t, v["task_id"], job["job_id"])
	for _, p := range []string{"/api/videos", "/api/videos?order=desc", "/api/videos/"} {
		require.Len(t, ana.array(p), 1)
	}
	ranges(t, ana, v["original_url"].(string))
	bad := ana.object(http.StatusForbidden, http.MethodGet, "/api/videos/"+id+"/original?expires=1&signature=x", nil)
	require.Equal(t, "SIGNATURE_INVALID", bad["code"])

	require.Equal(t, "VIDEO_PUBLISHED", ana.object(http.StatusBadRequest, http.MethodDelete, "/api/videos/"+id, nil)["code"])
	status, out := ana.form("/api/videos", ffmpegtest.Truncated(t, clip, 0.6), map[string]string{"title": "cortado"})
	require.Equal(t, http.StatusCreated, status, "%v", out)
	cut := out["video_id"].(string)
	failed := ana.until(cut, patience, func(v map[string]any) bool { return v["status"] == "failed" })
	require.Equal(t, "TRUNCATED", failed["failure_code"])
	require.NotEmpty(t, failed["failure_reason"])
	require.Len(t, ana.array("/api/videos"), 2)
	require.Equal(t, cut, ana.object(http.StatusOK, http.MethodDelete, "/api/videos/"+cut, nil)["video_id"])
	require.Equal(t, "VIDEO_NOT_FOUND", ana.object(http.StatusNotFound, http.MethodDelete, "/api/videos/"+cut, nil)["code"])
	return id
}

// watch reads the video's events until the stream ends.
func watch(t *testing.T, c *client, id string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.base+"/api/videos/"+id+"/events", nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+c.token)
	res, err := c.http.Do(req)
	require.NoError(t, err)
	defer func() { require.NoError(t, res.Body.Close()) }()
	var last string
	for s := bufio.NewScanner(res.Body); s.Scan(); {
		if data, ok := strings.CutPrefix(s.Text(), "data: "); ok {
			last = data
		}
	}
	return last
}

// ranges plays an address as a browser does.
func ranges(t *testing.T, c *client, address string) {
	t.Helper()
	anonymous := c.as("")
	status, whole, header := anonymous.do(http.MethodGet, address, "", nil)
	require.Equal(t, http.StatusOK, status)
	status, part, head := anonymous.do(http.MethodGet, address, "", nil, "Range", "bytes=0-1")
	require.Equal(t, http.StatusPartialContent, status)
	require.Equal(t, whole[:2], part)
	require.Equal(t, "bytes", head.Get("Accept-Ranges"))
	status, _, _ = anonymous.do(http.MethodGet, address, "", nil, "If-None-Match", header.Get("ETag"))
	require.Equal(t, http.StatusNotModified, status)
	status, _, _ = anonymous.do(http.MethodGet, address, "", nil, "Range", "bytes=99999999999-")
	require.Equal(t, http.StatusRequestedRangeNotSatisfiable, status)
	status, none, _ := anonymous.do(http.MethodHead, address, "", nil)
	require.Equal(t, http.StatusOK, status)
	require.Empty(t, none)
}

func contractOfPublicVideos(t *testing.T, c, ana *client, id string) {
	list := c.array("/api/public/videos?q=ana+JUGADA&city=bogota")
	require.Len(t, list, 1)
	require.Equal(t, "Ana Prueba", list[0]["username"])
	one := c.object(http.StatusOK, http.MethodGet, "/api/public/videos/"+id, nil)
	require.Equal(t, list[0], one)
	for _, address := range []string{
		one["processed_url"].(string), one["thumbnail_url"].(string), "/api/public/videos/" + id + "/stream", "/api/public/videos/" + id + "/thumbnail",
	} {
		ranges(t, c, address)
	}
	require.Equal(t, "Bogotá", c.array("/api/public/cities")[0]["city"])
	status := ana.object(http.StatusOK, http.MethodGet, "/api/public/videos/"+id+"/vote-status", nil)
	require.Equal(t, []any{false, true}, []any{status["voted"], status["can_vote"]})
	ana.object(http.StatusOK, http.MethodPost, "/api/public/videos/"+id+"/vote", nil)
	require.Equal(t, "ALREADY_VOTED", ana.object(http.StatusBadRequest, http.MethodPost, "/api/public/videos/"+id+"/vote", nil)["code"])
	c.object(http.StatusUnauthorized, http.MethodPost, "/api/public/videos/"+id+"/vote", nil)
	for _, path := range []string{"/api/public/rankings", "/api/public/ranking", "/api/public/rankings/"} {
		require.Equal(t, 1.0, c.array(path)[0]["votes"])
	}
}

func contractOfAccounts(t *testing.T, c *client) {
	eva := c.join("Eva", "Cali")
	require.Equal(t, "Eva", eva.object(http.StatusOK, http.MethodGet, "/api/auth/me", nil)["first_name"])
	require.Equal(t, "Pasto", eva.object(http.StatusOK, http.MethodPatch, "/api/auth/me", map[string]any{"city": "Pasto"})["city"])
	eva.object(http.StatusBadRequest, http.MethodPatch, "/api/auth/me", map[string]any{"city": ""})
	const changed = "OtraClave789segura"
	eva.object(http.StatusOK, http.MethodPost, "/api/auth/password", map[string]any{"current_password": password, "new_password1": changed, "new_password2": changed})
	form := url.Values{"username": {"EVA@example.co"}, "password": {changed}}.Encode()
	status, body, _ := c.do(http.MethodPost, "/api/auth/login", "application/x-www-form-urlencoded", strings.NewReader(form))
	require.Equal(t, http.StatusOK, status, "%s", body)
	c.object(http.StatusUnauthorized, http.MethodPost, "/api/auth/login", map[string]any{"email": "eva@example.co", "password": password})
	eva.object(http.StatusOK, http.MethodPost, "/api/auth/logout", nil)
	eva.object(http.StatusUnauthorized, http.MethodGet, "/api/auth/me", nil)
	status, _, _ = c.do(http.MethodPost, "/api/auth/signup", "application/json", io.LimitReader(zeros{}, 1<<20))
	require.Equal(t, http.StatusRequestEntityTooLarge, status)
	status, _, _ = c.do(http.MethodPost, "/api/auth/signup", "text/plain", bytes.NewReader([]byte("{}")))
	require.Equal(t, http.StatusUnsupportedMediaType, status)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
