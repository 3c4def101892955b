//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/platform/openapi/openapitest"
)

// client talks to one server and checks every exchange against the contract.
type client struct {
	t     *testing.T
	base  string
	http  *http.Client
	token string
}

func newClient(t *testing.T, base string) *client {
	return &client{t: t, base: base, http: &http.Client{Transport: openapitest.New(t).Transport(http.DefaultTransport), Timeout: 5 * time.Minute}}
}

// as returns a client of the same server for another account.
func (c *client) as(token string) *client {
	d := *c
	d.token = token
	return &d
}

// do sends a request and returns the status, the body and the header.
func (c *client) do(method, path, contentType string, body io.Reader, header ...string) (int, []byte, http.Header) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.base+path, body)
	require.NoError(c.t, err)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := c.http.Do(req)
	require.NoError(c.t, err)
	defer func() { require.NoError(c.t, res.Body.Close()) }()
	data, err := io.ReadAll(res.Body)
	require.NoError(c.t, err)
	return res.StatusCode, data, res.Header
}

// object requires the status and decodes a JSON object.
func (c *client) object(want int, method, path string, body any) map[string]any {
	c.t.Helper()
	var out map[string]any
	c.decode(want, method, path, body, &out)
	return out
}

// array requires 200 and decodes a JSON array of objects.
func (c *client) array(path string) []map[string]any {
	c.t.Helper()
	var out []map[string]any
	c.decode(http.StatusOK, http.MethodGet, path, nil, &out)
	return out
}

func (c *client) decode(want int, method, path string, body, into any) {
	c.t.Helper()
	var r io.Reader
	contentType := ""
	if body != nil {
		data, err := json.Marshal(body)
		require.NoError(c.t, err)
		r, contentType = bytes.NewReader(data), "application/json"
	}
	status, data, _ := c.do(method, path, contentType, r)
	require.Equal(c.t, want, status, "%s %s: %s", method, path, data)
	require.NoError(c.t, json.Unmarshal(data, into), "%s", data)
}

// patience is how long a test waits for a video: two busy cores are slow, and
// only a failure waits for it.
const patience = 3 * time.Minute

const password = "StrongPass123"

// join signs a player up, logs in, and returns the player's client.
func (c *client) join(name, city string) *client {
	c.t.Helper()
	email := strings.ToLower(name) + "@example.co"
	c.object(http.StatusCreated, http.MethodPost, "/api/auth/signup", map[string]any{
		"first_name": name, "last_name": "Prueba", "email": email, "password1": password, "password2": password, "city": city, "country": "Colombia",
	})
	token := c.object(http.StatusOK, http.MethodPost, "/api/auth/login", map[string]any{"email": email, "password": password})
	require.Equal(c.t, "Bearer", token["token_type"])
	return c.as(token["access_token"].(string))
}

// form streams a file and fields as multipart/form-data.
func (c *client) form(path, file string, fields map[string]string) (int, map[string]any) {
	c.t.Helper()
	r, w := io.Pipe()
	form := multipart.NewWriter(w)
	go func() {
		err := func() error {
			for k, v := range fields {
				if err := form.WriteField(k, v); err != nil {
					return err
				}
			}
			part, err := form.CreateFormFile("video_file", filepath.Base(file))
			if err != nil {
				return err
			}
			f, err := os.Open(file)
			if err != nil {
				return err
			}
			defer func() { _ = f.Close() }()
			if _, err := io.Copy(part, f); err != nil {
				return err
			}
			return form.Close()
		}()
		_ = w.CloseWithError(err)
	}()
	status, data, _ := c.do(http.MethodPost, path, form.FormDataContentType(), r)
	var out map[string]any
	require.NoError(c.t, json.Unmarshal(data, &out), "%s", data)
	return status, out
}

// upload requires that the file is accepted and returns the video's id.
func (c *client) upload(title, file string) string {
	c.t.Helper()
	status, out := c.form("/api/videos/upload", file, map[string]string{"title": title})
	require.Equal(c.t, http.StatusCreated, status, "%v", out)
	require.Equal(c.t, "uploaded", out["status"])
	return out["video_id"].(string)
}

func (c *client) video(id string) map[string]any {
	c.t.Helper()
	return c.object(http.StatusOK, http.MethodGet, "/api/videos/"+id, nil)
}

// until polls the video until done says so, and returns what it saw last.
func (c *client) until(id string, within time.Duration, done func(v map[string]any) bool) (last map[string]any) {
	c.t.Helper()
	require.Eventually(c.t, func() bool {
		last = c.video(id)
		return done(last)
	}, within, 100*time.Millisecond, "video %s: %v", id, &last)
	return last
}

// processed waits for the end, which must be a published video.
func (c *client) processed(id string, within time.Duration) map[string]any {
	c.t.Helper()
	v := c.until(id, within, func(v map[string]any) bool { return v["status"] == "processed" || v["status"] == "failed" })
	require.Equal(c.t, "processed", v["status"], "%v", v)
	return v
}

// midway waits until the encoder is well under way and not yet near its end.
func (c *client) midway(id string) {
	c.t.Helper()
	v := c.until(id, patience, func(v map[string]any) bool {
		return v["status"] == "processing" && v["progress"].(float64) >= 5 || v["status"] == "processed"
	})
	require.Equal(c.t, "processing", v["status"], "the encoder was too fast for this test")
	require.Less(c.t, v["progress"].(float64), 90.0)
}

// save downloads an address into a file.
func (c *client) save(address string) string {
	c.t.Helper()
	status, data, _ := c.do(http.MethodGet, address, "", nil)
	require.Equal(c.t, http.StatusOK, status)
	path := filepath.Join(c.t.TempDir(), fmt.Sprintf("saved%s", filepath.Ext(address)))
	require.NoError(c.t, os.WriteFile(path, data, 0o600))
	return path
}
