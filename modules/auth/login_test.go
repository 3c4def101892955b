package auth

import (
	"bytes"
	"mime/multipart"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/platform/database"
	"anb/platform/passwords"
)

func TestLogin_RefusesWithOneAnswerAndTheSameWork(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := setup(t, d)
		b.join(t, "ana@x.co")
		_, gone := b.join(t, "gone@x.co")
		require.NoError(t, b.Deactivate(t.Context(), mustID(t, gone)))
		var costs []string
		b.hashes = spy{hashes: b.hashes, after: func(stored string) { costs = append(costs, costOf(stored)) }}
		var bodies []string
		for _, f := range []fields{
			{"email": "ana@x.co", "password": "StrongPass124"},
			{"email": "nobody@x.co", "password": "StrongPass123"},
			{"email": "gone@x.co", "password": "StrongPass123"},
			{"email": "' OR 1=1--", "password": "x"},
			{"email": "admin'--", "password": "x"},
			{"email": strings.Repeat("a", 10_000), "password": "x"},
		} {
			costs = nil
			a := b.send("POST", "/api/auth/login", "", f)
			require.Equal(t, 401, a.status, a.text)
			require.Equal(t, "Email o contraseña incorrectos.", a.body["detail"])
			require.Equal(t, "INVALID_CREDENTIALS", a.code())
			require.True(t, strings.HasPrefix(a.head.Get("WWW-Authenticate"), "Bearer"))
			bodies = append(bodies, strings.ReplaceAll(a.text, a.head.Get("X-Request-Id"), ""))
			require.Equal(t, []string{"$argon2id$v=19$m=64,t=1,p=1"}, costs, "one hash at today's cost, whatever was wrong")
		}
		for _, body := range bodies {
			require.Equal(t, bodies[0], body)
		}
		require.EqualValues(t, 2, count(t, d, "users"))
		require.EqualValues(t, 1, count(t, d, "sessions"))
	})
}

func TestLogin_RefusesBadRequests(t *testing.T) {
	t.Parallel()
	b := setup(t, dbtest.SQLite(t))
	b.join(t, "ana@x.co")
	const form = "application/x-www-form-urlencoded"
	good := "username=ana%40x.co&password=StrongPass123"
	tests := map[string]struct {
		method, query, body, contentType, encoding string
		want                                       int
	}{
		"operator object":          {"POST", "", `{"email":{"$gt":""},"password":"x"}`, "application/json", "", 400},
		"no password":              {"POST", "", `{"email":"ana@x.co"}`, "application/json", "", 400},
		"null e-mail":              {"POST", "", `{"email":null,"password":"x"}`, "application/json", "", 400},
		"form names in JSON":       {"POST", "", `{"username":"ana@x.co","password":"StrongPass123"}`, "application/json", "", 400},
		"query only, JSON":         {"POST", "?email=ana@x.co&password=StrongPass123", `{}`, "application/json", "", 400},
		"query only, form":         {"POST", "?" + good, "", form, "", 400},
		"password in query":        {"POST", "?password=StrongPass123", "username=ana%40x.co", form, "", 400},
		"GET":                      {"GET", "?email=ana@x.co&password=StrongPass123", "", "", "", 405},
		"NUL in form":              {"POST", "", "username=a%00b&password=x", form, "", 400},
		"bad UTF-8 in form":        {"POST", "", "username=a&password=%ff%fe", form, "", 400},
		"bad escape in form":       {"POST", "", "username=%zz&password=x", form, "", 400},
		"username twice":           {"POST", "", good + "&username=b", form, "", 400},
		"large form":               {"POST", "", good + "&x=" + strings.Repeat("x", 64<<10), form, "", 413},
		"compressed form":          {"POST", "", good, form, "gzip", 415},
		"form in UTF-16":           {"POST", "", good, form + "; charset=utf-16", "", 415},
		"form of the right thing":  {"POST", "", good + "&grant_type=password&scope=", form, "", 200},
		"form with its charset":    {"POST", "", good, form + "; charset=UTF-8", "", 200},
		"form with wrong password": {"POST", "", "username=ana%40x.co&password=y", form, "", 401},
		"password of 50 KB":        {"POST", "", `{"email":"ana@x.co","password":"` + strings.Repeat("x", 50_000) + `"}`, "application/json", "", 401},
		"trailing slash":           {"POST", "/", `{"email":"ana@x.co","password":"StrongPass123"}`, "application/json", "", 200},
		"no content type":          {"POST", "", `{"email":" Ana@X.co","password":"StrongPass123"}`, "", "", 200},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(tt.method, "/api/auth/login"+tt.query, strings.NewReader(tt.body))
			for k, v := range map[string]string{"Content-Type": tt.contentType, "Content-Encoding": tt.encoding} {
				if v != "" {
					r.Header.Set(k, v)
				}
			}
			a := b.do(r)
			require.Equal(t, tt.want, a.status, a.text)
		})
	}
	t.Run("multipart", func(t *testing.T) {
		var body bytes.Buffer
		w := multipart.NewWriter(&body)
		require.NoError(t, w.WriteField("username", "ana@x.co"))
		require.NoError(t, w.WriteField("password", "StrongPass123"))
		require.NoError(t, w.Close())
		r := httptest.NewRequest("POST", "/api/auth/login", &body)
		r.Header.Set("Content-Type", w.FormDataContentType())
		require.Equal(t, 415, b.do(r).status)
	})
	for _, s := range []string{"StrongPass123", url.QueryEscape("ana@x.co"), "ana@x.co"} {
		require.NotContains(t, b.logs.String(), s, "credentials never reach the log")
	}
}

func TestLogin_AnswersATokenThatLivesAsLongAsItSays(t *testing.T) {
	t.Parallel()
	b := setup(t, dbtest.SQLite(t))
	b.join(t, "ana@x.co")
	a := b.send("POST", "/api/auth/login", "", fields{"email": "ANA@x.co", "password": "StrongPass123"})
	require.Equal(t, 200, a.status)
	require.Equal(t, "no-store", a.head.Get("Cache-Control"))
	require.Len(t, a.body, 3)
	require.Equal(t, "Bearer", a.body["token_type"])
	require.EqualValues(t, 3600, a.body["expires_in"])
	c := decoded(t, a.body["access_token"].(string))
	require.EqualValues(t, 3600, *c.Expires-c.IssuedAt)
}

func TestLogin_RenewsAHashOfAnotherCost(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := setup(t, d)
		b.join(t, "ana@x.co")
		b = setup(t, d, func(c *Config) { c.HashIterations = 3 })
		var hashes atomic.Int64
		b.hashes = spy{hashes: b.hashes, after: func(string) { hashes.Add(1) }}
		require.Equal(t, 401, b.send("POST", "/api/auth/login", "", fields{"email": "ana@x.co", "password": "wrong"}).status)
		require.EqualValues(t, 1, hashes.Swap(0))
		b.login(t, "ana@x.co", "StrongPass123")
		require.EqualValues(t, 2, hashes.Swap(0), "checks and renews")
		b.login(t, "ana@x.co", "StrongPass123")
		require.EqualValues(t, 1, hashes.Swap(0), "is renewed")
		_, stored, err := b.store.byEmail(t.Context(), "ana@x.co")
		require.NoError(t, err)
		require.Contains(t, stored, "$argon2id$v=19$m=64,t=3,p=1$")
	})
}

func TestLogin_AnswersBusyWhenItsTurnToHashDoesNotCome(t *testing.T) {
	t.Parallel()
	b := setup(t, dbtest.SQLite(t), func(c *Config) { c.HashParallel, c.HashWait = 1, time.Millisecond })
	done, err := b.hashes.(*passwords.Hasher).Turn(t.Context()) // somebody hashes
	require.NoError(t, err)
	for path, body := range map[string]fields{
		"/api/auth/login":  {"email": "nobody@x.co", "password": "StrongPass123"},
		"/api/auth/signup": person("a@x.co", nil),
	} {
		a := b.send("POST", path, "", body)
		require.Equal(t, 503, a.status, a.text)
		require.Equal(t, "BUSY", a.code())
		require.NotEmpty(t, a.head.Get("Retry-After"))
	}
	for _, email := range []string{"a@", strings.Repeat("a", 300)} { // what is wrong needs no turn
		require.Equal(t, 400, b.send("POST", "/api/auth/signup", "", person(email, nil)).status)
	}
	done()
	b.join(t, "a@x.co")
}
