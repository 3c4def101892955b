package auth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/platform/database"
)

func mustID(t *testing.T, s string) uuid.UUID {
	t.Helper()
	id, err := uuid.Parse(s)
	require.NoError(t, err)
	return id
}

func decoded(t *testing.T, token string) claims {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	require.NoError(t, err)
	var c claims
	require.NoError(t, json.Unmarshal(b, &c))
	return c
}

func TestAuthenticate_RefusesForgedAndSpoiltTokens(t *testing.T) {
	t.Parallel()
	b := setup(t, dbtest.SQLite(t))
	token, id := b.join(t, "ana@x.co")
	other, _ := b.join(t, "eva@x.co")
	genuine := decoded(t, token)
	now := time.Now().Unix()

	with := func(changes jwt.MapClaims) jwt.MapClaims {
		m := jwt.MapClaims{"iss": "anb", "aud": "anb-api", "sub": id, "jti": genuine.ID.String(), "iat": now, "exp": now + 600}
		for k, v := range changes {
			m[k] = v
			if v == nil {
				delete(m, k)
			}
		}
		return m
	}
	sign := func(method jwt.SigningMethod, key any, c jwt.Claims) string {
		s, err := jwt.NewWithClaims(method, c).SignedString(key)
		require.NoError(t, err)
		return s
	}
	ours := func(changes jwt.MapClaims) string { return sign(jwt.SigningMethodHS256, []byte(secret), with(changes)) }
	raw := func(header, payload string) string { // signed with our key
		s := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
		sig, err := jwt.SigningMethodHS256.Sign(s, []byte(secret))
		require.NoError(t, err)
		return s + "." + base64.RawURLEncoding.EncodeToString(sig)
	}
	payload, err := json.Marshal(with(nil))
	require.NoError(t, err)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.MarshalPKIXPublicKey(&rsaKey.PublicKey)
	require.NoError(t, err)
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	unsigned := func(alg string) string {
		return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"`+alg+`","typ":"JWT"}`)) + "." + base64.RawURLEncoding.EncodeToString(payload) + "."
	}
	part := strings.Split(token, ".")
	flip := func(s string, i int) string {
		r := byte('A')
		if s[i] == r {
			r = 'B'
		}
		return s[:i] + string(r) + s[i+1:]
	}

	require.Equal(t, 200, b.send("GET", "/api/auth/me", ours(nil), nil).status, "what the forgeries are made of is good")
	tests := map[string]string{
		"garbage":              "x",
		"alg none":             unsigned("none"),
		"alg None":             unsigned("None"),
		"alg nOnE":             unsigned("nOnE"),
		"alg HS256, unsigned":  unsigned("HS256"),
		"alg hs256":            raw(`{"alg":"hs256"}`, string(payload)),
		"no alg":               raw(`{}`, string(payload)),
		"HS384":                sign(jwt.SigningMethodHS384, []byte(secret), with(nil)),
		"HS512":                sign(jwt.SigningMethodHS512, []byte(secret), with(nil)),
		"RS256":                sign(jwt.SigningMethodRS256, rsaKey, with(nil)),
		"ES256":                sign(jwt.SigningMethodES256, ecKey, with(nil)),
		"signed by a public":   sign(jwt.SigningMethodHS256, public, with(nil)),
		"other key":            sign(jwt.SigningMethodHS256, []byte(strings.Repeat("k", 32)), with(nil)),
		"empty key":            sign(jwt.SigningMethodHS256, []byte{}, with(nil)),
		"expired by 1 s":       ours(jwt.MapClaims{"exp": now - 1, "iat": now - 600}),
		"expires now":          ours(jwt.MapClaims{"exp": now, "iat": now - 600}),
		"no exp":               ours(jwt.MapClaims{"exp": nil}),
		"exp as string":        ours(jwt.MapClaims{"exp": "9999999999"}),
		"exp as short string":  raw(`{"alg":"HS256"}`, strings.Replace(string(payload), `"exp":`, `"exp":"1","x":`, 1)),
		"exp null":             raw(`{"alg":"HS256"}`, strings.Replace(string(payload), `"exp":`, `"exp":null,"x":`, 1)),
		"exp with fraction":    ours(jwt.MapClaims{"exp": float64(now) + 600.5}),
		"exp 1e18":             raw(`{"alg":"HS256"}`, strings.Replace(string(payload), `"exp":`, `"exp":1e18,"x":`, 1)),
		"exp 10^18":            ours(jwt.MapClaims{"exp": int64(1e18)}),
		"exp beyond int64":     raw(`{"alg":"HS256"}`, strings.Replace(string(payload), `"exp":`, `"exp":99999999999999999999,"x":`, 1)),
		"exp negative":         ours(jwt.MapClaims{"exp": -1}),
		"exp twice":            raw(`{"alg":"HS256"}`, strings.Replace(string(payload), `"exp":`, `"exp":1,"exp":`, 1)),
		"EXP for exp":          raw(`{"alg":"HS256"}`, strings.Replace(string(payload), `"exp":`, `"EXP":`, 1)),
		"no iat":               ours(jwt.MapClaims{"iat": nil}),
		"iat in the future":    ours(jwt.MapClaims{"iat": now + 60, "exp": now + 600}),
		"iat as string":        ours(jwt.MapClaims{"iat": "1"}),
		"nbf in the future":    ours(jwt.MapClaims{"nbf": now + 60}),
		"nbf as string":        ours(jwt.MapClaims{"nbf": "1"}),
		"wrong iss":            ours(jwt.MapClaims{"iss": "eve"}),
		"no iss":               ours(jwt.MapClaims{"iss": nil}),
		"wrong aud":            ours(jwt.MapClaims{"aud": "other"}),
		"no aud":               ours(jwt.MapClaims{"aud": nil}),
		"aud []":               ours(jwt.MapClaims{"aud": []string{}}),
		`aud [""]`:             ours(jwt.MapClaims{"aud": []string{""}}),
		"sub not a uuid":       ours(jwt.MapClaims{"sub": "admin"}),
		"sub of someone else":  ours(jwt.MapClaims{"sub": decoded(t, other).Subject.String()}),
		"no sub":               ours(jwt.MapClaims{"sub": nil}),
		"no jti":               ours(jwt.MapClaims{"jti": nil}),
		"unknown jti":          ours(jwt.MapClaims{"jti": uuid.NewString()}),
		"payload not object":   raw(`{"alg":"HS256"}`, `[]`),
		"payload null":         raw(`{"alg":"HS256"}`, `null`),
		"flipped in header":    flip(part[0], 5) + "." + part[1] + "." + part[2],
		"flipped in payload":   part[0] + "." + flip(part[1], 9) + "." + part[2],
		"flipped in signature": part[0] + "." + part[1] + "." + flip(part[2], 9),
		"last bits of base64":  part[0] + "." + part[1] + "." + lastBits(part[2]),
		"signature of another": part[0] + "." + part[1] + "." + strings.Split(other, ".")[2],
		"no signature":         part[0] + "." + part[1] + ".",
		"two segments":         part[0] + "." + part[1],
		"four segments":        token + "." + part[2],
		"padded":               token + "=",
		"space before":         " " + token,
		"space after":          token + " ",
		"space within":         part[0] + ". " + part[1] + "." + part[2],
		"newline within":       part[0] + ".\n" + part[1] + "." + part[2],
		"64 KB":                strings.Repeat("a", 64<<10),
	}
	for name, forged := range tests {
		t.Run(name, func(t *testing.T) {
			a := b.send("GET", "/api/auth/me", forged, nil)
			require.Equal(t, 401, a.status, a.text)
			require.Equal(t, "UNAUTHENTICATED", a.code())
			require.True(t, strings.HasPrefix(a.head.Get("WWW-Authenticate"), "Bearer"))
			require.Equal(t, 401, b.send("GET", "/optional", forged, nil).status)
		})
	}
	require.Equal(t, 200, b.send("GET", "/api/auth/me", token, nil).status)
}

// lastBits changes the bits of the last character that carry nothing.
func lastBits(s string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	i := strings.IndexByte(alphabet, s[len(s)-1])
	return s[:len(s)-1] + string(alphabet[i^1])
}

func TestAuthenticate_SpendsNothingOnAMegabyteOfDots(t *testing.T) {
	b := setup(t, dbtest.SQLite(t)) // not parallel: it counts the process's allocations
	dots := strings.Repeat(".", 1<<20)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 20 {
		_, err := b.Authenticate(t.Context(), dots)
		require.Error(t, err)
	}
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))
}

func TestRequire_TakesOneBearerHeaderOnly(t *testing.T) {
	t.Parallel()
	b := setup(t, dbtest.SQLite(t))
	token, _ := b.join(t, "ana@x.co")
	tests := map[string]struct {
		headers []string
		want    int
	}{
		"none":           {nil, 401},
		"empty":          {[]string{""}, 401},
		"Bearer":         {[]string{"Bearer"}, 401},
		"no token":       {[]string{"Bearer "}, 401},
		"two spaces":     {[]string{"Bearer  " + token}, 401},
		"garbage":        {[]string{"bearer x"}, 401},
		"basic":          {[]string{"Basic " + token}, 401},
		"no scheme":      {[]string{token}, 401},
		"two headers":    {[]string{"Bearer " + token, "Bearer " + token}, 401},
		"list":           {[]string{"Bearer " + token + ", Bearer " + token}, 401},
		"right":          {[]string{"Bearer " + token}, 200},
		"scheme in case": {[]string{"bEARER " + token}, 200},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/api/auth/me?access_token="+token, nil)
			r.Header["Authorization"] = tt.headers
			r.Header.Set("Cookie", "access_token="+token)
			a := b.do(r)
			require.Equal(t, tt.want, a.status, a.text)
			if tt.want == 401 {
				require.True(t, strings.HasPrefix(a.head.Get("WWW-Authenticate"), "Bearer"))
			}
		})
	}
	t.Run("optional", func(t *testing.T) {
		require.JSONEq(t, `{"known":false}`, b.send("GET", "/optional", "", nil).text)
		require.JSONEq(t, `{"known":true}`, b.send("GET", "/optional", token, nil).text)
	})
}

func TestAuthenticate_EndsWithTheSessionTheAccountAndTheDatabasesClock(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := setup(t, d)
		token, id := b.join(t, "ana@x.co")
		p, err := b.Authenticate(t.Context(), token)
		require.NoError(t, err)
		require.Equal(t, id, p.UserID.String())
		require.EqualValues(t, "player", p.Role)

		require.NoError(t, d.Write(t.Context()).Exec("UPDATE users SET role = 'jury'").Error)
		p, err = b.Authenticate(t.Context(), token)
		require.NoError(t, err)
		require.EqualValues(t, "jury", p.Role, "the role is the database's, not the token's")

		require.NoError(t, d.Write(t.Context()).Exec("UPDATE sessions SET expires_at = "+d.Now()).Error)
		require.Equal(t, 401, b.send("GET", "/api/auth/me", token, nil).status)

		token = b.login(t, "ana@x.co", "StrongPass123")
		require.NoError(t, d.Write(t.Context()).Exec("UPDATE users SET is_active = ?", false).Error)
		require.Equal(t, 401, b.send("GET", "/api/auth/me", token, nil).status)
		require.NoError(t, d.Write(t.Context()).Exec("DELETE FROM users").Error)
		require.Equal(t, 401, b.send("GET", "/api/auth/me", token, nil).status)
	})
}
