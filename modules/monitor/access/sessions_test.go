package access

import (
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/platform/database"
	"anb/platform/fault"
)

func rows(t *testing.T, d *database.DB) []sessionRow {
	t.Helper()
	var out []sessionRow
	require.NoError(t, d.Read(t.Context()).Order("created_at").Find(&out).Error)
	return out
}

// expire moves the end of a session into the past.
func expire(t *testing.T, d *database.DB, id string) {
	t.Helper()
	require.NoError(t, d.Write(t.Context()).Exec("UPDATE monitor_sessions SET expires_at = "+d.Ago()+" WHERE id = ?", database.Micros(time.Second), id).Error)
}

func TestSession_KeepsNothingThatWouldOpenTheDoor(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		c := guarded()
		c.AdminPassword = "kiosko-verde-87"
		b := on(t, d, c)
		cookie := b.enter(t, "admin", c.AdminPassword)
		value := strings.TrimPrefix(cookie, "Cookie: anb_monitor=")
		require.Len(t, value, 43)
		all := rows(t, d)
		require.Len(t, all, 1)
		require.Equal(t, digest(value), all[0].ID)
		require.Equal(t, "admin", all[0].Name)
		require.InDelta(t, time.Hour.Seconds(), all[0].ExpiresAt.Sub(all[0].CreatedAt.Time).Seconds(), 1)
		require.Len(t, all[0].Credential, 64)
		require.NotEqual(t, digest("admin:admin:"+c.AdminPassword), all[0].Credential, "not a fast digest of the password, which could be guessed")
		require.NotContains(t, b.logs.String(), value)
		require.NotContains(t, b.logs.String(), c.AdminPassword)
	})
}

func TestSession_EndsWithItsTimeAndIsSwept(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := on(t, d, guarded())
		old, kept := b.enter(t, "ana", anaPassword), b.enter(t, "ana", anaPassword)
		id := who(t, b.send("GET", "/admin", old)).Session
		expire(t, d, id)
		require.Equal(t, http.StatusUnauthorized, b.send("GET", "/api/admin", old).Code)
		require.Len(t, rows(t, d), 2)
		many := make([]sessionRow, 2*sweepBatch+1)
		past := database.At(time.Now().Add(-time.Hour))
		for i := range many {
			many[i] = sessionRow{ID: strings.Repeat("x", i+1), Name: "ana", CreatedAt: past, ExpiresAt: past}
		}
		require.NoError(t, d.Write(t.Context()).CreateInBatches(many, 500).Error)
		require.NoError(t, b.Sweep(t.Context()))
		require.Len(t, rows(t, d), 1)
		require.Equal(t, http.StatusOK, b.send("GET", "/admin", kept).Code)
	})
}

func TestSession_EndsWhenItsUserChangesAndOutlivesARestart(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		c := guarded()
		c.AdminPassword = "kiosko-verde-87"
		b := on(t, d, c)
		ana, elias, admin := b.enter(t, "ana", anaPassword), b.enter(t, "elias", eliasPassword), b.enter(t, "admin", c.AdminPassword)
		require.Len(t, on(t, d, c).sessionsOf(t), 3)
		for name, tt := range map[string]struct {
			change func(*Config)
			gone   string
		}{
			"nothing":  {func(*Config) {}, ""},
			"comments": {func(c *Config) { c.Users = "# more\n" + c.Users }, ""},
			"another password": {func(c *Config) {
				c.Users = strings.Replace(c.Users, "ana:admin:", "ana:admin:"+cheap("another-of-hers")+"\nold:admin:", 1)
			}, ana},
			"the same password again": {func(c *Config) {
				c.Users = strings.Replace(c.Users, "ana:admin:", "ana:admin:"+cheap(anaPassword)+"\nold:admin:", 1)
			}, ana},
			"another role":         {func(c *Config) { c.Users = strings.Replace(c.Users, "elias:operator", "elias:viewer", 1) }, elias},
			"gone":                 {func(c *Config) { c.Users = strings.Replace(c.Users, "elias:", "elena:", 1) }, elias},
			"another admin's word": {func(c *Config) { c.AdminPassword = "kiosko-verde-88" }, admin},
			"no admin's word":      {func(c *Config) { c.AdminPassword = "" }, admin},
		} {
			changed := c
			tt.change(&changed)
			b := on(t, d, changed)
			for _, cookie := range []string{ana, elias, admin} {
				want := http.StatusOK
				if cookie == tt.gone {
					want = http.StatusUnauthorized
				}
				require.Equal(t, want, b.send("GET", "/api/viewer", cookie).Code, name)
			}
			if tt.gone != "" {
				require.Len(t, b.sessionsOf(t), 2, "%s: what has ended is not listed", name)
			}
		}
	})
}

func (b *bundle) sessionsOf(t *testing.T) []Session {
	t.Helper()
	all, err := b.Sessions(t.Context())
	require.NoError(t, err)
	return all
}

func TestSignOut_EndsTheSessionAndNoOther(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		c := guarded()
		b, other := on(t, d, c), on(t, d, c)
		one, two := b.enter(t, "ana", anaPassword), b.enter(t, "ana", anaPassword)
		require.Equal(t, http.StatusOK, other.send("GET", "/admin", one).Code)
		require.Equal(t, http.StatusForbidden, b.send("POST", "/logout", one, "Sec-Fetch-Site: cross-site").Code)
		require.Equal(t, http.StatusOK, b.send("GET", "/admin", one).Code)
		require.Equal(t, http.StatusNoContent, b.send("POST", "/logout", one).Code)
		require.Equal(t, http.StatusUnauthorized, b.send("GET", "/api/admin", one).Code, "a copy of the cookie")
		require.Equal(t, http.StatusUnauthorized, other.send("GET", "/api/admin", one).Code, "in another process that knew it")
		require.Equal(t, http.StatusOK, b.send("GET", "/admin", two).Code)
		require.Equal(t, http.StatusNoContent, b.send("POST", "/logout", one).Code, "twice")
		require.Equal(t, http.StatusNoContent, b.send("POST", "/logout").Code, "without any")
	})
}

func TestSignIn_ReplacesTheSessionThatTheBrowserHad(t *testing.T) {
	t.Parallel()
	b := setup(t, guarded())
	planted := b.enter(t, "elias", eliasPassword)
	w := b.try("127.0.0.1", "ana", anaPassword, planted)
	require.Equal(t, http.StatusSeeOther, w.Code)
	require.NotContains(t, planted, w.Result().Cookies()[0].Value)
	require.Equal(t, http.StatusUnauthorized, b.send("GET", "/api/viewer", planted).Code)
}

func TestRevoke_EndsASessionAtOnce(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := on(t, d, guarded())
		cookie := b.enter(t, "elias", eliasPassword)
		all := b.sessionsOf(t)
		require.Len(t, all, 1)
		require.Equal(t, []any{"elias", Operator}, []any{all[0].Name, all[0].Role})
		require.WithinDuration(t, time.Now(), all[0].CreatedAt, time.Minute)
		require.Equal(t, time.Hour, all[0].ExpiresAt.Sub(all[0].CreatedAt).Round(time.Second))
		p := Principal{Name: "elias", Via: ViaSession, Session: all[0].ID}
		require.NoError(t, b.Alive(t.Context(), p))
		require.ErrorIs(t, b.Revoke(t.Context(), "nobody's"), ErrSessionNotFound)
		require.NoError(t, b.Revoke(t.Context(), all[0].ID))
		require.Equal(t, http.StatusUnauthorized, b.send("GET", "/api/viewer", cookie).Code)
		require.ErrorIs(t, b.Alive(t.Context(), p), fault.ErrUnauthenticated)
		require.NoError(t, b.Alive(t.Context(), Principal{Via: ViaBearer}), "tokens have no session")
		require.ErrorIs(t, b.Revoke(t.Context(), all[0].ID), ErrSessionNotFound)
	})
}

// nowhere is a database on a port where nobody listens.
func nowhere(t *testing.T) *database.DB {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	d, err := database.Open(database.Config{URL: "postgres://u@" + l.Addr().String() + "/x?sslmode=disable", MaxOpen: 2, QueryTimeout: 5 * time.Second}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

func TestSession_LivesOnForAWhileWithoutTheDatabase(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := on(t, d, guarded())
		known, unseen, left := b.enter(t, "ana", anaPassword), b.enter(t, "ana", anaPassword), b.enter(t, "elias", eliasPassword)
		for _, cookie := range []string{known, left} {
			require.Equal(t, http.StatusOK, b.send("GET", "/viewer", cookie).Code)
		}
		b.clock.pass(trustFor - time.Minute)
		require.Equal(t, http.StatusOK, b.send("GET", "/viewer", known).Code)
		b.clock.pass(trustFor - time.Second)

		b.store = store{nowhere(t)}
		require.Equal(t, "ana", who(t, b.send("GET", "/admin", known)).Name)
		require.True(t, b.sessions.resting(), "the next request does not wait for it")
		require.Equal(t, http.StatusOK, b.send("POST", "/admin", known).Code)
		require.Equal(t, http.StatusOK, b.send("GET", "/viewer", bearer(made().viewer)).Code, "tokens need no database")
		require.Equal(t, http.StatusOK, b.send("GET", "/viewer", basic("ana", anaPassword)).Code, "nor do passwords")
		for name, cookie := range map[string]string{"never seen here": unseen, "too long ago": left} {
			w := b.send("GET", "/viewer", cookie, "Accept: text/html")
			require.Equal(t, http.StatusServiceUnavailable, w.Code, name)
			require.NotEmpty(t, w.Header().Get("Retry-After"), name)
		}
		require.Equal(t, http.StatusServiceUnavailable, b.try("127.0.0.1", "ana", anaPassword).Code, "no session can begin")
		b.clock.pass(2 * time.Second)
		require.Equal(t, http.StatusServiceUnavailable, b.send("GET", "/viewer", known).Code, "not for ever")

		b.store = store{d}
		b.clock.pass(askAgain)
		for _, cookie := range []string{known, unseen, left} {
			require.Equal(t, http.StatusOK, b.send("GET", "/viewer", cookie).Code)
		}
	})
}

func TestSession_ThatEndedHereIsNotBelievedInWithoutTheDatabase(t *testing.T) {
	t.Parallel()
	b := setup(t, guarded())
	one, two, three := b.enter(t, "ana", anaPassword), b.enter(t, "ana", anaPassword), b.enter(t, "ana", anaPassword)
	for _, cookie := range []string{one, two, three} {
		require.Equal(t, http.StatusOK, b.send("GET", "/viewer", cookie).Code)
	}
	require.NoError(t, b.Revoke(t.Context(), digest(strings.TrimPrefix(one, "Cookie: anb_monitor="))))
	b.store = store{nowhere(t)}
	w := b.send("POST", "/logout", two)
	require.Equal(t, http.StatusServiceUnavailable, w.Code, "it may live on elsewhere")
	require.Equal(t, -1, w.Result().Cookies()[0].MaxAge, "but not in this browser")
	for _, cookie := range []string{one, two} {
		require.Equal(t, http.StatusServiceUnavailable, b.send("GET", "/viewer", cookie).Code)
	}
	require.Equal(t, http.StatusOK, b.send("GET", "/viewer", three).Code)
	b.sessions.put(sessionRow{ID: "expired", Name: "ana", ExpiresAt: database.At(b.clock.now())})
	_, ok := b.sessions.get("expired")
	require.False(t, ok)
}

func TestSessions_RememberABoundedNumber(t *testing.T) {
	t.Parallel()
	s := newSessions(time.Now)
	for i := range 3 * maxKnown {
		s.put(sessionRow{ID: string(rune(i))})
	}
	require.LessOrEqual(t, len(s.all), maxKnown)
}
