package auth

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/unicode/norm"

	"anb/db/dbtest"
	"anb/platform/database"
	"anb/platform/passwords"
)

func TestSignup_RefusesBadFieldsByName(t *testing.T) {
	t.Parallel()
	b := setup(t, dbtest.SQLite(t))
	raw := func(field, value string) string {
		return strings.Replace(`{"first_name":"A","last_name":"B","email":"a@x.co","password1":"StrongPass123","password2":"StrongPass123","city":"C","country":"D"}`,
			`"`+field+`":"`, `"`+field+`":`+value+`,"was_`+field+`":"`, 1)
	}
	same := func(p string) fields { return fields{"password1": p, "password2": p} }
	tests := map[string]struct {
		body  any
		field string
		code  string
	}{
		"inner tab in e-mail":    {person("us\ter@x.co", nil), "email", "VALIDATION_FAILED"},
		"inner space in e-mail":  {person("us er@x.co", nil), "email", "VALIDATION_FAILED"},
		"e-mail of 255":          {person(strings.Repeat("a", 60)+"@"+strings.Repeat("b.", 95)+"coco", nil), "email", "VALIDATION_FAILED"},
		"local part of 65":       {person(strings.Repeat("a", 65)+"@x.co", nil), "email", "VALIDATION_FAILED"},
		"no dot in domain":       {person("a@b", nil), "email", "VALIDATION_FAILED"},
		"no local part":          {person("@x.co", nil), "email", "VALIDATION_FAILED"},
		"no at":                  {person("x.co", nil), "email", "VALIDATION_FAILED"},
		"two ats":                {person("a@@x.co", nil), "email", "VALIDATION_FAILED"},
		"at in domain":           {person("a@x.co@y.co", nil), "email", "VALIDATION_FAILED"},
		"two dots in domain":     {person("a@x..co", nil), "email", "VALIDATION_FAILED"},
		"dot at the end":         {person("a@x.co.", nil), "email", "VALIDATION_FAILED"},
		"dot before the at":      {person("a.@x.co", nil), "email", "VALIDATION_FAILED"},
		"hyphen before a dot":    {person("a@x-.co", nil), "email", "VALIDATION_FAILED"},
		"underscore in domain":   {person("a@x_y.co", nil), "email", "VALIDATION_FAILED"},
		"numeric top":            {person("a@127.0.0.1", nil), "email", "VALIDATION_FAILED"},
		"quoted local part":      {person(`"a b"@x.co`, nil), "email", "VALIDATION_FAILED"},
		"address literal":        {person("a@[127.0.0.1]", nil), "email", "VALIDATION_FAILED"},
		"header injection":       {person("a@x.co\r\nBcc:z@z", nil), "email", "VALIDATION_FAILED"},
		"display name":           {person("A <a@x.co>", nil), "email", "VALIDATION_FAILED"},
		"e-mail outside ASCII":   {person("josé@x.co", nil), "email", "VALIDATION_FAILED"},
		"password of 7":          {person("a@x.co", same("Abc123x")), "password1", "VALIDATION_FAILED"},
		"password of 129":        {person("a@x.co", same(strings.Repeat("x9", 64)+"y")), "password1", "VALIDATION_FAILED"},
		"password of 10,000":     {person("a@x.co", same(strings.Repeat("x", 10_000))), "password1", "VALIDATION_FAILED"},
		"7 emoji are too short":  {person("a@x.co", same(strings.Repeat("🏀", 7))), "password1", "VALIDATION_FAILED"},
		"12345678":               {person("a@x.co", same("12345678")), "password1", "PASSWORD_TOO_COMMON"},
		"password1":              {person("a@x.co", same("password1")), "password1", "PASSWORD_TOO_COMMON"},
		"anb2025!":               {person("a@x.co", same("anb2025!")), "password1", "PASSWORD_TOO_COMMON"},
		"P@ssw0rd!":              {person("a@x.co", same("P@ssw0rd!")), "password1", "PASSWORD_TOO_COMMON"},
		"the e-mail as password": {person("ana@x.co", same("ANA@x.co")), "password1", "PASSWORD_TOO_COMMON"},
		"passwords differ":       {person("a@x.co", fields{"password2": "StrongPass124"}), "password2", "PASSWORDS_DIFFER"},
		"differ by a space":      {person("a@x.co", fields{"password2": "StrongPass123 "}), "password2", "PASSWORDS_DIFFER"},
		"NUL in password":        {raw("password1", `"Strong\u0000Pass123"`), "password1", "VALIDATION_FAILED"},
		"NUL in city":            {raw("city", `"Bo\u0000gota"`), "city", "VALIDATION_FAILED"},
		"newline in name":        {person("a@x.co", fields{"first_name": "A\nB"}), "first_name", "VALIDATION_FAILED"},
		"escape in country":      {person("a@x.co", fields{"country": "\x1b[31m"}), "country", "VALIDATION_FAILED"},
		"line separator":         {person("a@x.co", fields{"country": "A\u2028B"}), "country", "VALIDATION_FAILED"},
		"blank name":             {person("a@x.co", fields{"last_name": " \u00a0 "}), "last_name", "VALIDATION_FAILED"},
		"zero-width name":        {person("a@x.co", fields{"last_name": "\u200b\u200d\ufeff"}), "last_name", "VALIDATION_FAILED"},
		"blank filler as name":   {person("a@x.co", fields{"last_name": "\u3164"}), "last_name", "VALIDATION_FAILED"},
		"name of 101":            {person("a@x.co", fields{"first_name": strings.Repeat("ñ", 101)}), "first_name", "VALIDATION_FAILED"},
		"city of 101":            {person("a@x.co", fields{"city": strings.Repeat("x", 101)}), "city", "VALIDATION_FAILED"},
	}
	for _, f := range []string{"first_name", "last_name", "email", "password1", "password2", "city", "country"} {
		for kind, value := range map[string]string{"null": "null", "empty": `""`, "number": "12345678", "array": "[]", "object": `{"$gt":""}`, "bool": "true"} {
			tests[kind+" "+f] = struct {
				body        any
				field, code string
			}{raw(f, value), f, "VALIDATION_FAILED"}
		}
		tests["missing "+f] = struct {
			body        any
			field, code string
		}{person("a@x.co", fields{f: nil}), f, "VALIDATION_FAILED"}
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a := b.send("POST", "/api/auth/signup", "", tt.body)
			require.Equal(t, 400, a.status, a.text)
			require.Equal(t, tt.code, a.code(), a.text)
			require.Equal(t, []string{tt.field}, a.fields(), a.text)
			require.Equal(t, "application/problem+json", a.head.Get("Content-Type"))
		})
	}
	t.Run("names every field at once", func(t *testing.T) {
		a := b.send("POST", "/api/auth/signup", "", "{}")
		require.Equal(t, []string{"first_name", "last_name", "email", "password1", "password2", "city", "country"}, a.fields())
	})
	require.Zero(t, count(t, b.store.db, "users"))
}

func TestSignup_RefusesWhatIsNotJSON(t *testing.T) {
	t.Parallel()
	b := setup(t, dbtest.SQLite(t))
	valid := `{"first_name":"A","last_name":"B","email":"a@x.co","password1":"StrongPass123","password2":"StrongPass123","city":"C","country":"D"}`
	tests := map[string]struct {
		body, contentType, encoding string
		want                        int
	}{
		"empty":            {"", "application/json", "", 400},
		"null":             {"null", "application/json", "", 400},
		"array":            {"[]", "application/json", "", 400},
		"string":           {`"x"`, "application/json", "", 400},
		"cut off":          {"{", "application/json", "", 400},
		"two objects":      {"{}{}", "application/json", "", 400},
		"BOM":              {"\ufeff" + valid, "application/json", "", 400},
		"NaN":              {`{"first_name":NaN}`, "application/json", "", 400},
		"comment":          {"/* */" + valid, "application/json", "", 400},
		"single quotes":    {`{'email':'a'}`, "application/json", "", 400},
		"bad UTF-8":        {strings.Replace(valid, `"A"`, "\"\xff\xfe\"", 1), "application/json", "", 400},
		"lone surrogate":   {strings.Replace(valid, "StrongPass", `\ud800Pass`, 1), "application/json", "", 400},
		"same field twice": {strings.Replace(valid, "{", `{"email":"b@x.co",`, 1), "application/json", "", 400},
		"100,000 arrays":   {strings.Repeat("[", 60_000), "application/json", "", 400},
		"nested objects":   {strings.Repeat(`{"a":`, 10_001), "application/json", "", 400},
		"10 MB":            {strings.Repeat(" ", 10<<20), "application/json", "", 413},
		"gzip":             {valid, "application/json", "gzip", 415},
		"text":             {valid, "text/plain", "", 415},
		"XML":              {"<a/>", "application/xml", "", 415},
		"form":             {"email=a", "application/x-www-form-urlencoded", "", 415},
		"UTF-16":           {valid, "application/json; charset=utf-16", "", 415},
		"no type":          {valid, "", "", 201},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("POST", "/api/auth/signup", strings.NewReader(tt.body))
			for k, v := range map[string]string{"Content-Type": tt.contentType, "Content-Encoding": tt.encoding} {
				if v != "" {
					r.Header.Set(k, v)
				}
			}
			a := b.do(r)
			require.Equal(t, tt.want, a.status, a.text)
		})
	}
}

func TestSignup_RefusesATakenEmailWhateverItsCase(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := setup(t, d)
		b.join(t, "user@x.co")
		for _, email := range []string{"user@x.co", "USER@X.co", " user@x.co\n"} {
			a := b.send("POST", "/api/auth/signup", "", person(email, nil))
			require.Equal(t, 400, a.status)
			require.Equal(t, "EMAIL_TAKEN", a.code())
			require.Equal(t, "El email ya está registrado.", a.body["detail"])
			require.Equal(t, []string{"email"}, a.fields())
		}
		require.EqualValues(t, 1, count(t, d, "users"))
	})
}

func TestSignup_LetsOneOfFiftyAtOnceHaveAnAddress(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := setup(t, d)
		var wg sync.WaitGroup
		answers := make([]answer, 50)
		start := make(chan struct{})
		for i := range answers {
			email := "race@x.co"
			if i%2 == 1 {
				email = "Race@X.Co"
			}
			wg.Go(func() {
				<-start
				answers[i] = b.send("POST", "/api/auth/signup", "", person(email, nil))
			})
		}
		close(start)
		wg.Wait()
		won := 0
		for _, a := range answers {
			if a.status == 201 {
				won++
				continue
			}
			require.Equal(t, 400, a.status, a.text)
			require.Equal(t, "EMAIL_TAKEN", a.code())
		}
		require.Equal(t, 1, won)
		require.EqualValues(t, 1, count(t, d, "users"))
	})
}

func TestSignup_CreatesAPlayer(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := setup(t, d)
		a := b.send("POST", "/api/auth/signup", "", person(" Ana+1@Gmail.com\n", fields{
			"first_name": " Zoe\u0308 ", "city": "Bogota\u0301", "id": 1, "role": "admin", "is_admin": true,
			"is_active": false, "vote_count": 999, "email_verified": true, "created_at": "1999-01-01T00:00:00Z",
		}))
		require.Equal(t, 201, a.status, a.text)
		require.Equal(t, "no-store", a.head.Get("Cache-Control"))
		id := a.body["id"].(string)
		created, err := time.Parse(time.RFC3339, a.body["created_at"].(string))
		require.NoError(t, err)
		require.WithinDuration(t, time.Now(), created, time.Minute)
		require.True(t, strings.HasSuffix(a.body["created_at"].(string), "Z"))
		want := map[string]any{
			"message": "Usuario creado exitosamente.", "id": id, "user_id": id, "email": "Ana+1@Gmail.com",
			"first_name": "Zoë", "last_name": "Díaz", "city": "Bogotá", "country": "Colombia", "role": "player",
			"is_active": true, "created_at": a.body["created_at"],
		}
		require.Equal(t, want, a.body)

		me := b.send("GET", "/api/auth/me", b.login(t, "ana+1@gmail.com", "StrongPass123"), nil)
		require.Equal(t, 200, me.status)
		delete(want, "message")
		require.Equal(t, want, me.body)
		var key string
		require.NoError(t, d.Read(t.Context()).Table("users").Select("city_key").Scan(&key).Error)
		require.Equal(t, "bogota", key)
	})
}

func TestSignup_KeepsNamesOfAnyScript(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := setup(t, d)
		names := []string{
			"José Ñúñez", "李小龍", "عمر", "O'Brian", "Zoë", norm.NFD.String("Zoë"), "X",
			strings.Repeat("ñ", 100), norm.NFD.String(strings.Repeat("ñ", 100)), "<script>", "' OR 1=1--", "👩‍🚀 Ana",
		}
		for i, name := range names {
			a := b.send("POST", "/api/auth/signup", "", person(fmt.Sprintf("n%d@x.co", i), fields{"first_name": name}))
			require.Equal(t, 201, a.status, a.text)
			require.Equal(t, norm.NFC.String(name), a.body["first_name"])
		}
		for _, email := range []string{
			"a+1@gmail.com", "a.b@gmail.com", "ab@gmail.com", "o'brian@x.co", strings.Repeat("a", 64) + "@x.co",
			strings.Repeat("a", 60) + "@" + strings.Repeat("b.", 95) + "coc", "A-1@sub.x-y.co",
		} {
			a := b.send("POST", "/api/auth/signup", "", person(email, nil))
			require.Equal(t, 201, a.status, a.text)
		}
	})
}

func TestPasswords_AreComparedExactlyAsTyped(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := setup(t, d)
		for i, password := range []string{
			"Xy3-9kQz", strings.Repeat("a1", 32), strings.Repeat("a", 72), strings.Repeat("a", 73),
			strings.Repeat("b", 100), strings.Repeat("c", 128), strings.Repeat("😀", 19), strings.Repeat("😀", 128),
			"  spaces  around  ", "testpassword123", "StrongPass123", "contraseñá-larga", "tab\tand\nnewline",
		} {
			email := fmt.Sprintf("p%d@x.co", i)
			a := b.send("POST", "/api/auth/signup", "", person(email, fields{"password1": password, "password2": password}))
			require.Equal(t, 201, a.status, "%q %s", password, a.text)
			b.login(t, email, password)
			runes := []rune(password)
			for _, other := range []string{string(runes[:len(runes)-1]), password + "x", strings.ToUpper(password) + " ", " " + password} {
				a := b.send("POST", "/api/auth/login", "", fields{"email": email, "password": other})
				require.Equal(t, 401, a.status, "%q for %q", other, password)
			}
		}
	})
}

func TestCommon_RefusesTheListAndItsVariants(t *testing.T) {
	t.Parallel()
	for _, p := range []string{
		"12345678", "password", "PASSWORD", "Password1!", "p@ssw0rd", "P@ssw0rd!", "$ecreto1", "anb2025!", "!ANB-2026", "contraseña", "Contrasena1",
		"qwertyuiop", "1q2w3e4r", "baloncesto1", "Bogotá2026", "87654321", "iloveyou1",
	} {
		require.True(t, passwords.Common(p, ownWords), p)
	}
	for _, p := range []string{
		"testpassword123", "StrongPass123", "correct horse battery staple", "anb-is-my-team", strings.Repeat("😀", 19),
		"83920174", "anb8273648190237", "password-73648190", "       anb       ", strings.Repeat("a", 64),
	} {
		require.False(t, passwords.Common(p, ownWords), p)
	}
}
