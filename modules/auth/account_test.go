package auth

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/platform/database"
)

func TestUpdateProfile_RefusesBadFieldsAndChangesNothing(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := setup(t, d)
		token, _ := b.join(t, "ana@x.co")
		before := b.send("GET", "/api/auth/me", token, nil).body
		for body, want := range map[string]string{
			`{"first_name":null}`:                                   "first_name",
			`{"city":""}`:                                           "city",
			`{"city":"Cali","country":"\u200b"}`:                    "country",
			`{"city":"Cali","last_name":7}`:                         "last_name",
			`{"city":["Cali"]}`:                                     "city",
			`{"last_name":"a\u0000b"}`:                              "last_name",
			`{"first_name":"` + strings.Repeat("x", 101) + `"}`:     "first_name",
			`{"first_name":"Eva","last_name":"B\nC","city":"Cali"}`: "last_name",
		} {
			a := b.send("PATCH", "/api/auth/me", token, body)
			require.Equal(t, 400, a.status, a.text)
			require.Equal(t, []string{want}, a.fields(), body)
		}
		require.Equal(t, 401, b.send("PATCH", "/api/auth/me", "", `{"city":"Cali"}`).status)
		b.directory.err = errors.New("no")
		require.Equal(t, 500, b.send("PATCH", "/api/auth/me", token, `{"city":"Cali"}`).status)
		require.Equal(t, before, b.send("GET", "/api/auth/me", token, nil).body, "the directory's error undoes it all")
	})
}

func TestUpdateProfile_ChangesASubsetAndTellsTheDirectory(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := setup(t, d)
		token, id := b.join(t, "ana@x.co")
		want := b.send("GET", "/api/auth/me", token, nil).body

		a := b.send("PATCH", "/api/auth/me", token, `{}`)
		require.Equal(t, 200, a.status)
		require.Equal(t, want, a.body)
		a = b.send("PATCH", "/api/auth/me", token, `{"country":"Perú"}`)
		require.Equal(t, 200, a.status)
		require.Empty(t, b.directory.changes, "nobody copies the country")

		a = b.send("PATCH", "/api/auth/me", token, fields{
			"last_name": " Nu\u0301n\u0303ez ", "city": "MEDELLÍN", "email": "eve@x.co", "role": "admin", "is_active": false, "user_id": uuid.NewString(),
		})
		require.Equal(t, 200, a.status, a.text)
		want["last_name"], want["city"], want["country"] = "Núñez", "MEDELLÍN", "Perú"
		require.Equal(t, want, a.body)
		require.Equal(t, want, b.send("GET", "/api/auth/me", token, nil).body)
		require.Equal(t, []Player{{ID: mustID(t, id), Name: "Ana Núñez", City: "MEDELLÍN"}}, b.directory.changes)
		var key string
		require.NoError(t, d.Read(t.Context()).Table("users").Select("city_key").Scan(&key).Error)
		require.Equal(t, "medellin", key)
	})
}

func TestLogout_EndsThisSessionOnly(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := setup(t, d)
		one, _ := b.join(t, "ana@x.co")
		two := b.login(t, "ana@x.co", "StrongPass123")
		a := b.send("POST", "/api/auth/logout", one, nil)
		require.Equal(t, 200, a.status, a.text)
		require.JSONEq(t, `{"message":"Sesión cerrada."}`, a.text)
		require.Equal(t, 401, b.send("POST", "/api/auth/logout", one, nil).status, "twice")
		require.Equal(t, 401, b.send("GET", "/api/auth/me", one, nil).status)
		require.Equal(t, 200, b.send("GET", "/api/auth/me", two, nil).status)
	})
}

func TestChangePassword_RefusesAndKeepsTheOldOne(t *testing.T) {
	t.Parallel()
	b := setup(t, dbtest.SQLite(t))
	token, _ := b.join(t, "ana@x.co")
	other := b.login(t, "ana@x.co", "StrongPass123")
	set := func(current, new1, new2 any) fields {
		return fields{"current_password": current, "new_password1": new1, "new_password2": new2}
	}
	tests := map[string]struct {
		body        any
		field, code string
	}{
		"wrong current":    {set("StrongPass124", "Another-1-long", "Another-1-long"), "current_password", "VALIDATION_FAILED"},
		"huge current":     {set(strings.Repeat("x", 20_000), "Another-1-long", "Another-1-long"), "current_password", "VALIDATION_FAILED"},
		"no current":       {set(nil, "Another-1-long", "Another-1-long"), "current_password", "VALIDATION_FAILED"},
		"short":            {set("StrongPass123", "short", "short"), "new_password1", "VALIDATION_FAILED"},
		"common":           {set("StrongPass123", "password1", "password1"), "new_password1", "PASSWORD_TOO_COMMON"},
		"differ":           {set("StrongPass123", "Another-1-long", "Another-2-long"), "new_password2", "PASSWORDS_DIFFER"},
		"not repeated":     {set("StrongPass123", "Another-1-long", nil), "new_password2", "VALIDATION_FAILED"},
		"a number":         {set("StrongPass123", 12345678, "x"), "new_password1", "VALIDATION_FAILED"},
		"one's own e-mail": {set("StrongPass123", "ANA@X.CO", "ANA@X.CO"), "new_password1", "PASSWORD_TOO_COMMON"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a := b.send("POST", "/api/auth/password", token, tt.body)
			require.Equal(t, 400, a.status, a.text)
			require.Equal(t, tt.code, a.code())
			require.Equal(t, []string{tt.field}, a.fields())
		})
	}
	require.Equal(t, 401, b.send("POST", "/api/auth/password", "", set("a", "b", "c")).status)
	require.Equal(t, 200, b.send("GET", "/api/auth/me", other, nil).status)
	b.login(t, "ana@x.co", "StrongPass123")
}

func TestChangePassword_EndsTheOtherSessions(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := setup(t, d)
		token, _ := b.join(t, "ana@x.co")
		other := b.login(t, "ana@x.co", "StrongPass123")
		eva, _ := b.join(t, "eva@x.co")
		a := b.send("POST", "/api/auth/password", token,
			fields{"current_password": "StrongPass123", "new_password1": " Ünother 1 ", "new_password2": " Ünother 1 "})
		require.Equal(t, 200, a.status, a.text)
		require.JSONEq(t, `{"message":"Contraseña actualizada."}`, a.text)
		require.Equal(t, 200, b.send("GET", "/api/auth/me", token, nil).status)
		require.Equal(t, 401, b.send("GET", "/api/auth/me", other, nil).status)
		require.Equal(t, 200, b.send("GET", "/api/auth/me", eva, nil).status, "someone else's session")
		require.Equal(t, 401, b.send("POST", "/api/auth/login", "", fields{"email": "ana@x.co", "password": "StrongPass123"}).status)
		b.login(t, "ana@x.co", " Ünother 1 ")
	})
}

func TestLogin_StartsNoSessionWithAPasswordThatWasJustChanged(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := setup(t, d)
		token, _ := b.join(t, "ana@x.co")
		real := b.hashes
		b.hashes = spy{hashes: real, after: func(string) {
			b.hashes = real // the login's check has passed; now the password changes
			a := b.send("POST", "/api/auth/password", token,
				fields{"current_password": "StrongPass123", "new_password1": "Another-1-long", "new_password2": "Another-1-long"})
			require.Equal(t, 200, a.status, a.text)
		}}
		a := b.send("POST", "/api/auth/login", "", fields{"email": "ana@x.co", "password": "StrongPass123"})
		require.Equal(t, 401, a.status, a.text)
		require.EqualValues(t, 1, count(t, d, "sessions"))
	})
}

func TestDeactivate_EndsAllSessionsAndLocksOut(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := setup(t, d)
		one, id := b.join(t, "ana@x.co")
		two := b.login(t, "ana@x.co", "StrongPass123")
		require.ErrorIs(t, b.Deactivate(t.Context(), uuid.New()), ErrUserNotFound)
		require.NoError(t, b.Deactivate(t.Context(), mustID(t, id)))
		require.NoError(t, b.Deactivate(t.Context(), mustID(t, id)), "twice")
		for _, token := range []string{one, two} {
			require.Equal(t, 401, b.send("GET", "/api/auth/me", token, nil).status)
		}
		require.Zero(t, count(t, d, "sessions"))
		require.Equal(t, 401, b.send("POST", "/api/auth/login", "", fields{"email": "ana@x.co", "password": "StrongPass123"}).status)
		a := b.send("POST", "/api/auth/signup", "", person("ana@x.co", nil))
		require.Equal(t, "EMAIL_TAKEN", a.code())
	})
}

func TestSweepSessions_DeletesTheExpiredInBatches(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := setup(t, d)
		token, id := b.join(t, "ana@x.co")
		type row struct {
			ID        uuid.UUID
			UserID    string
			CreatedAt database.Time
			ExpiresAt database.Time
		}
		rows := make([]row, 2*sweepBatch+1)
		past := database.At(time.Now().Add(-time.Hour))
		for i := range rows {
			rows[i] = row{uuid.New(), id, past, past}
		}
		require.NoError(t, d.Write(t.Context()).Table("sessions").CreateInBatches(rows, 500).Error)
		n, err := SweepSessions(t.Context(), d)
		require.NoError(t, err)
		require.EqualValues(t, len(rows), n)
		require.EqualValues(t, 1, count(t, d, "sessions"))
		require.Equal(t, 200, b.send("GET", "/api/auth/me", token, nil).status)
		n, err = SweepSessions(t.Context(), d)
		require.NoError(t, err)
		require.Zero(t, n)
	})
}
