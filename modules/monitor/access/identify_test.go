package access

import (
	"crypto/tls"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/platform/database"
)

func code(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	var p struct{ Code string }
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &p), w.Body.String())
	return p.Code
}

func who(t *testing.T, w *httptest.ResponseRecorder) (p struct{ Name, Role, Via, Address, Session string }) {
	t.Helper()
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &p))
	return p
}

func TestRequire_LetsEachRoleDoItsPartAndNoMore(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := on(t, d, guarded())
		m := made()
		for name, tt := range map[string]struct {
			proof, name string
			role        Role
			via         string
		}{
			"admin, cookie":         {b.enter(t, "ana", anaPassword), "ana", Admin, ViaSession},
			"operator, cookie":      {b.enter(t, "elias", eliasPassword), "elias", Operator, ViaSession},
			"viewer, cookie":        {b.enter(t, "ann", annPassword), "ann", Viewer, ViaSession},
			"admin, Basic":          {basic("ana", anaPassword), "ana", Admin, ViaBasic},
			"operator, Basic":       {basic("elias", eliasPassword), "elias", Operator, ViaBasic},
			"viewer, Basic":         {basic("ann", annPassword), "ann", Viewer, ViaBasic},
			"operator, Bearer":      {bearer(m.operator), "ci", Operator, ViaBearer},
			"viewer, Bearer":        {bearer(m.viewer), "scraper", Viewer, ViaBearer},
			"viewer, scheme as ' '": {strings.Replace(bearer(m.viewer), "Bearer", "bEARER", 1), "scraper", Viewer, ViaBearer},
			"operator, Basic token": {basic("ci", m.operator), "ci", Operator, ViaBasic},
			"viewer, Basic token":   {basic("scraper", m.viewer), "scraper", Viewer, ViaBasic},
		} {
			for _, method := range []string{"GET", "HEAD", "POST"} {
				for _, page := range roles() {
					for _, path := range []string{"/" + string(page), "/api/" + string(page)} {
						w := b.send(method, path, tt.proof)
						if slices.Index(roles(), tt.role) < slices.Index(roles(), page) {
							require.Equal(t, http.StatusForbidden, w.Code, "%s: %s %s", name, method, path)
							continue
						}
						require.Equal(t, http.StatusOK, w.Code, "%s: %s %s: %s", name, method, path, w.Body)
						if method == "HEAD" {
							continue
						}
						p := who(t, w)
						require.Equal(t, []string{tt.name, string(tt.role), tt.via, "127.0.0.1"}, []string{p.Name, p.Role, p.Via, p.Address}, name)
						require.Equal(t, tt.via == ViaSession, p.Session != "", name)
					}
				}
			}
		}
	})
}

func TestRole_UnknownOnesMayNothing(t *testing.T) {
	t.Parallel()
	require.False(t, Role("boss").Allows("boss"))
	require.False(t, Role("").Allows(""))
	require.False(t, Role("").Allows(Viewer))
	require.False(t, Admin.Allows(""))
	require.True(t, Admin.Allows(Admin))
}

func TestRequire_RefusesWhoIsNotKnown(t *testing.T) {
	t.Parallel()
	b := setup(t, guarded())
	cookie := b.enter(t, "ana", anaPassword)
	for name, headers := range map[string][]string{
		"nothing":                     nil,
		"no such token":               {bearer("anbm_x")},
		"a digest for a token":        {bearer(strings.Split(made().tokens, ":")[2][:64])},
		"empty token":                 {bearer("")},
		"wrong password":              {basic("ana", anaPassword+"x")},
		"empty password":              {basic("ana", "")},
		"somebody else's password":    {basic("elias", anaPassword)},
		"a user's hash":               {basic("ana", strings.SplitN(strings.Split(guarded().Users, "\n")[1], ":", 3)[2])},
		"unknown name":                {basic("eva", anaPassword)},
		"other case":                  {basic("Ana", anaPassword)},
		"somebody else's token":       {basic("ci", made().viewer)},
		"bcrypt beyond its 72 bytes":  {basic("ann", annPassword+"x")},
		"megabytes":                   {basic("ana", strings.Repeat("x", 100_000))},
		"Basic without a colon":       {"Authorization: Basic YW5h"},
		"Basic not base64":            {"Authorization: Basic ?"},
		"another scheme":              {"Authorization: Digest username=ana"},
		"two headers":                 {bearer(made().viewer), bearer(made().viewer)},
		"a wrong header and a cookie": {bearer("x"), cookie},
		"two headers and a cookie":    {bearer("x"), bearer("x"), cookie},
		"a long header and a cookie":  {bearer(strings.Repeat("x", 2*maxAuthorization)), cookie},
		"cookie of nobody":            {"Cookie: anb_monitor=" + strings.Repeat("A", 43)},
		"cookie's digest":             {"Cookie: anb_monitor=" + who(t, b.send("GET", "/viewer", cookie)).Session},
		"cookie of TLS without it":    {strings.Replace(cookie, "anb_", "__Host-anb_", 1)},
	} {
		w := b.send("GET", "/api/viewer", headers...)
		require.Equal(t, http.StatusUnauthorized, w.Code, name)
		require.True(t, strings.HasPrefix(w.Header().Get("WWW-Authenticate"), "Basic "), name)
	}
	require.Equal(t, http.StatusOK, b.send("GET", "/free").Code, "what needs no role needs no name")
	for _, secret := range []string{anaPassword, made().viewer, "anbm_"} {
		require.NotContains(t, b.logs.String(), secret)
	}
}

func TestRequire_SendsBrowsersToTheFormAndAsksProgramsForBasic(t *testing.T) {
	t.Parallel()
	b := setup(t, guarded())
	const page = "Accept: text/html,application/xhtml+xml,*/*;q=0.8"
	for name, tt := range map[string]struct {
		method, path string
		headers      []string
		location     string
		challenge    string
	}{
		"page":                 {"GET", "/viewer?state=dead&q=a+b", []string{page}, "/login?next=%2Fviewer%3Fstate%3Ddead%26q%3Da%2Bb", ""},
		"page, as HEAD":        {"HEAD", "/viewer", []string{page}, "/login?next=%2Fviewer", ""},
		"form":                 {"POST", "/operator", []string{page}, "/login", ""},
		"curl":                 {"GET", "/viewer", []string{"Accept: */*", "User-Agent: curl/8"}, "", "Basic "},
		"API, from a browser":  {"GET", "/api/viewer", []string{page, "User-Agent: Mozilla/5.0"}, "", "Bearer "},
		"script of a page":     {"GET", "/viewer", []string{"Accept: text/event-stream", "Sec-Fetch-Mode: cors"}, "", "Bearer "},
		"API, with text/html":  {"GET", "/api/viewer", []string{page}, "", "Basic "},
		"a path beside an API": {"GET", "/viewer?x=/api/", []string{page}, "/login?next=%2Fviewer%3Fx%3D%2Fapi%2F", ""},
	} {
		w := b.send(tt.method, tt.path, tt.headers...)
		require.Equal(t, tt.location, w.Header().Get("Location"), name)
		if tt.location != "" {
			require.Equal(t, http.StatusSeeOther, w.Code, name)
			continue
		}
		require.Equal(t, http.StatusUnauthorized, w.Code, name)
		require.True(t, strings.HasPrefix(w.Header().Get("WWW-Authenticate"), tt.challenge), name)
	}
}

func TestIdentify_EverybodyIsLocalOnALaptopAndNobodyFromElsewhere(t *testing.T) {
	t.Parallel()
	b := setup(t, laptop())
	require.True(t, b.Open())
	for _, headers := range [][]string{nil, {bearer("x")}, {basic("a", "b")}, {"Cookie: anb_monitor=x"}} {
		p := who(t, b.send("POST", "/admin", headers...))
		require.Equal(t, []string{"local", "admin", ViaLocal}, []string{p.Name, p.Role, p.Via})
	}
	for _, header := range []string{"X-Forwarded-For: 127.0.0.1", "Forwarded: for=127.0.0.1", "X-Real-IP: 127.0.0.1", "X-Forwarded-Host: localhost"} {
		w := b.send("GET", "/viewer", header)
		require.Equal(t, http.StatusForbidden, w.Code, "through a proxy that has no password either: "+header)
		require.Equal(t, "LOCAL_ONLY", code(t, w))
	}
	for _, peer := range []string{"10.0.0.1:4000", "[fe80::1]:4000", "@"} {
		r := request("GET", "/viewer")
		r.RemoteAddr = peer
		require.Equal(t, http.StatusForbidden, b.do(r).Code, peer)
	}
	require.Equal(t, http.StatusUnauthorized, b.try("127.0.0.1", "admin", "admin").Code, "there is nobody to be")
	require.False(t, setup(t, guarded()).Open())
}

func TestIdentify_BelievesOnlyTrustedProxies(t *testing.T) {
	t.Parallel()
	c := guarded()
	c.TrustedProxies = []string{"10.0.0.0/8"}
	for _, tt := range []struct {
		config         Config
		peer, says, is string
	}{
		{guarded(), "10.0.0.7:1", "6.6.6.6", "10.0.0.7"},
		{guarded(), "127.0.0.1:1", "6.6.6.6", "127.0.0.1"},
		{c, "10.0.0.7:1", "6.6.6.6, 1.2.3.4", "1.2.3.4"},
		{c, "203.0.113.9:1", "6.6.6.6", "203.0.113.9"},
	} {
		r := request("GET", "/viewer", bearer(made().viewer), "X-Forwarded-For: "+tt.says)
		r.RemoteAddr = tt.peer
		require.Equal(t, tt.is, who(t, setup(t, tt.config).do(r)).Address)
	}
	b := setup(t, quick())
	for i := range freePerAddress + 1 { // a new forged address each time helps nobody
		w := b.try("203.0.113.9", "user"+string(rune('a'+i)), "wrong", "X-Forwarded-For: 1.2.3."+string(rune('0'+i%10)))
		require.Equal(t, i == freePerAddress, w.Code == http.StatusTooManyRequests, i)
	}
}

func TestSignIn_MarksTheCookieSecureOnlyWithTLS(t *testing.T) {
	t.Parallel()
	c := guarded()
	c.TrustedProxies = []string{"10.0.0.7"}
	b := setup(t, c)
	for name, tt := range map[string]struct {
		peer, says string
		tls, want  bool
	}{
		"plain":             {"203.0.113.9", "", false, false},
		"TLS":               {"203.0.113.9", "", true, true},
		"the proxy's TLS":   {"10.0.0.7", "https", false, true},
		"the proxy without": {"10.0.0.7", "http", false, false},
		"a client's word":   {"203.0.113.9", "https", false, false},
	} {
		send := func(method, path string, headers ...string) *httptest.ResponseRecorder {
			r := request(method, path, append(headers, "X-Forwarded-Proto: "+tt.says)...)
			r.RemoteAddr = tt.peer + ":4000"
			if tt.tls {
				r.TLS = &tls.ConnectionState{}
			}
			r.PostForm = map[string][]string{"name": {"ana"}, "password": {anaPassword}}
			r.Form = r.PostForm
			return b.do(r)
		}
		set := send("POST", "/login").Result().Cookies()[0]
		require.Equal(t, tt.want, set.Secure, name)
		require.Equal(t, tt.want, strings.HasPrefix(set.Name, "__Host-"), name)
		require.True(t, set.HttpOnly, name)
		require.Equal(t, http.SameSiteStrictMode, set.SameSite, name)
		require.Equal(t, []string{"/", ""}, []string{set.Path, set.Domain}, name)
		require.Equal(t, 3600, set.MaxAge, name)
		cookie := "Cookie: " + set.Name + "=" + set.Value
		require.Equal(t, http.StatusOK, send("GET", "/api/admin", cookie).Code, name)

		w := send("POST", "/logout", cookie)
		require.Equal(t, http.StatusNoContent, w.Code, name)
		gone := w.Result().Cookies()[0]
		require.Equal(t, []any{set.Name, "", -1, set.Secure}, []any{gone.Name, gone.Value, gone.MaxAge, gone.Secure}, name)
		require.Equal(t, http.StatusUnauthorized, send("GET", "/api/admin", cookie).Code, "a copy of the cookie: "+name)
	}
}

func TestBasic_IsCheckedOnceAMinuteAndByItsPassword(t *testing.T) {
	t.Parallel()
	b := setup(t, guarded())
	require.Equal(t, http.StatusOK, b.send("GET", "/viewer", basic("ana", anaPassword)).Code)
	fill := []func(){}
	for range hashParallel { // nobody can hash now
		done, err := b.hashes.Turn(t.Context())
		require.NoError(t, err)
		fill = append(fill, done)
	}
	b.clock.pass(provenAge - time.Second)
	require.Equal(t, http.StatusOK, b.send("GET", "/viewer", basic("ana", anaPassword)).Code, "remembered")
	r := request("GET", "/viewer", basic("ana", anaPassword+"x"))
	ctx, cancel := contextEnded()
	defer cancel()
	require.Empty(t, b.do(r.WithContext(ctx)).Body.String(), "another password is another question")
	b.clock.pass(2 * time.Second)
	require.Empty(t, b.do(request("GET", "/viewer", basic("ana", anaPassword)).WithContext(ctx)).Body.String(), "forgotten")
	for _, done := range fill {
		done()
	}
	require.Equal(t, http.StatusOK, b.send("GET", "/viewer", basic("ana", anaPassword)).Code)
}

func TestProven_HasABound(t *testing.T) {
	t.Parallel()
	p := newProven(time.Now)
	for i := range 3 * provenMost {
		p.put(string(rune(i)), entry{})
	}
	require.LessOrEqual(t, len(p.all), provenMost)
}
