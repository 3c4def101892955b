//go:build e2e

package e2e

import (
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNginx_LimitsWhatOneClientMayDoAtOnce(t *testing.T) {
	t.Parallel()
	f := newFront(t, t.TempDir())
	held, let := make(chan string, 1000), make(chan struct{})
	f.standIn(t, 1, func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("hold") {
			held <- r.URL.Path
			<-let
		}
	})
	f.names.are(f.replica(1))
	f.run(t)
	school, other := from(t, "127.0.0.2"), from(t, "127.0.0.3")
	var holding sync.WaitGroup
	hold := func(n int, method, path string) {
		for range n {
			holding.Go(func() {
				req, _ := http.NewRequest(method, "http://"+f.plain+path+"?hold", nil)
				res, err := school.Do(req)
				if err != nil || res.StatusCode != http.StatusOK {
					t.Errorf("a request within the limits failed: %v", err)
					return
				}
				_ = res.Body.Close()
			})
		}
		for range n {
			require.Equal(t, path, <-held)
		}
	}
	post := func(c *http.Client, path string) told {
		res, err := c.Post("http://"+f.plain+path, "", nil)
		require.NoError(t, err)
		return f.told(t, res, res.Body)
	}
	t.Run("uploads", func(t *testing.T) {
		hold(64, http.MethodPost, "/api/videos/upload")
		requireProblem(t, post(school, "/api/videos/upload/"), 429, "TOO_MANY_REQUESTS")
		requireProblem(t, post(school, "/api/videos"), 429, "TOO_MANY_REQUESTS")
		require.Equal(t, 200, post(other, "/api/videos").status)
	})
	t.Run("requests", func(t *testing.T) {
		hold(512-64, http.MethodGet, "/slow")
		requireProblem(t, f.get(t, school, "/"), 429, "TOO_MANY_REQUESTS")
		require.Equal(t, 200, f.get(t, other, "/").status)
	})
	close(let)
	holding.Wait()
	require.Equal(t, 200, f.get(t, school, "/").status)

	status := func(c *http.Client, path string) int {
		res, err := c.Post("http://"+f.plain+path, "", nil)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		return res.StatusCode
	}
	refused := func(t *testing.T, path string, burst int, others ...string) {
		t.Helper()
		for i := range burst {
			require.Equal(t, 200, status(school, path), "%d", i)
		}
		for _, p := range append([]string{path}, others...) {
			for n := 0; status(school, p) != 429; n++ { // one more is allowed now and then
				require.Less(t, n, burst, p)
			}
		}
		require.Equal(t, 200, status(other, path))
		require.Equal(t, 200, f.get(t, school, "/api/videos").status, "everything else goes on")
	}
	t.Run("sign-ins", func(t *testing.T) {
		refused(t, "/api/auth/login", 60, "/api/auth/signup", "/api/auth/password", "/api/auth/login/", "//api/auth//login", "/api/auth/%6Cogin")
	})
	t.Run("votes", func(t *testing.T) { refused(t, "/api/public/videos/1/vote", 200, "/api/public/videos/2/vote/") })
}
