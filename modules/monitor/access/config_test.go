package access

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
)

func TestValidate_RefusesToBindElsewhereWithoutCredentials(t *testing.T) {
	t.Parallel()
	d, users, tokens := dbtest.SQLite(t), guarded().Users, guarded().Tokens
	for addr, alone := range map[string]bool{
		"127.0.0.1:5555": true, "127.0.0.2:5555": true, "localhost:5555": true, "LocalHost:5555": true, "[::1]:5555": true, "[::ffff:127.0.0.1]:5555": true,
		"0.0.0.0:5555": false, "[::]:5555": false, ":5555": false, "10.1.2.3:5555": false, "192.168.1.7:5555": false, "[fe80::1%eth0]:5555": false,
		"[::ffff:10.0.0.1]:5555": false, "myhost:5555": false, "localhost.example:5555": false, "127.1:5555": false,
	} {
		c := laptop()
		c.Addr = addr
		require.Equal(t, alone, c.Loopback(), addr)
		err := c.Validate()
		if alone {
			require.NoError(t, err, addr)
		} else {
			require.ErrorContains(t, err, "ANB_MONITOR_ADMIN_PASSWORD_FILE", addr)
			require.ErrorContains(t, err, "anb monitor hash-password", addr)
			require.ErrorContains(t, err, "ANB_MONITOR_ADDR", addr)
			require.NotContains(t, err.Error(), "\n", "one line")
		}
		_, err = New(Deps{DB: d, Config: c, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
		require.Equal(t, alone, err == nil, addr)
		for name, credentials := range map[string]Config{
			"users": {Users: users}, "tokens": {Tokens: tokens}, "password": {AdminPassword: "kiosko-verde-87"},
		} {
			c.Users, c.Tokens, c.AdminPassword = credentials.Users, credentials.Tokens, credentials.AdminPassword
			require.NoError(t, c.Validate(), addr+name)
		}
		c.Users, c.Tokens, c.AdminPassword = "# nobody yet\n\n", " ", ""
		require.Equal(t, alone, c.Validate() == nil, "comments are no credentials: "+addr)
	}
	c := laptop()
	c.TrustedProxies = []string{"127.0.0.1"}
	require.ErrorContains(t, c.Validate(), "proxy", "what a proxy publishes is not for the machine alone")
}

func TestValidate_NamesEveryProblemAndNoSecret(t *testing.T) {
	t.Parallel()
	const secret = "hush-hush-9Z"
	err := Config{
		Addr:           "5555",
		Users:          "one\n#\n" + secret + ":viewer:" + secret + "\nx:boss:" + cheap("y") + "\n" + secret + "\nlocal:admin:" + cheap("y") + "\n-x:admin:$2y$05$abcdefghijklmnopqrstuuAbCdEfGhIjKlMnOpQrStUvWxYz01234\n",
		Tokens:         "a:viewer:" + strings.Repeat("0", 63) + "\nb:viewer:" + strings.Repeat("AB", 32),
		AdminPassword:  "short",
		AllowedHosts:   []string{"x:80", ""},
		TrustedProxies: []string{"proxy"},
	}.Validate()
	for _, want := range []string{
		"ANB_MONITOR_ADDR", "monitor.users line 1 ", "monitor.users line 3: ", "monitor.users line 4: the role", "monitor.users line 5 ", "line 6: the name local",
		"line 7: the name must", "line 7: the bcrypt hash has cost 5", "monitor.tokens line 1: ", "monitor.tokens line 2: ", "ANB_MONITOR_ADMIN_PASSWORD", "ANB_MONITOR_SESSION_TTL",
		`holds "x:80"`, `holds ""`, "ANB_MONITOR_TRUSTED_PROXIES",
	} {
		require.ErrorContains(t, err, want)
	}
	require.NotContains(t, err.Error(), secret)
	require.NotContains(t, err.Error(), "short")
}

func TestValidate_RefusesHashesThatAreNotWhole(t *testing.T) {
	t.Parallel()
	argon := cheap("x")
	for _, hash := range []string{made().bcrypt[:59], made().bcrypt + "x", made().bcrypt[3:], "$2", argon[:len(argon)-30], strings.ReplaceAll(argon, "$", ""), "", "plain"} {
		c := laptop()
		c.Users = "ana:admin:" + hash
		require.ErrorContains(t, c.Validate(), "monitor.users line 1: the third part", hash)
	}
}

func TestValidate_WantsEachNameOnce(t *testing.T) {
	t.Parallel()
	hash, digest := cheap("x"), strings.Repeat("0", 64)
	for name, c := range map[string]Config{
		"two users":            {Users: "a:viewer:" + hash + "\nA:admin:" + hash},
		"a user and a token":   {Users: "a:viewer:" + hash, Tokens: "a:viewer:" + digest},
		"the password's admin": {Users: "admin:viewer:" + hash, AdminPassword: "kiosko-verde-87"},
	} {
		c.Addr, c.SessionTTL = "127.0.0.1:5555", time.Hour
		require.ErrorContains(t, c.Validate(), "more than once", name)
	}
}

func TestCheckPassword_RefusesWeakOnes(t *testing.T) {
	t.Parallel()
	for _, p := range []string{
		"", "x", "elevenchars", "admin", "changeme", "user:pass", "changeme1234", "ChangeMe!2026", "changemechangeme", "admin:changeme", "user:password",
		"user:pass:user", "adminadminadmin", "Password12345", "p@ssw0rd26!!", "aaaaaaaaaaaa", "abababababab", "abcabcabcabc", "123456789012", "qwertyuiopas",
		"administrator", "ADMINISTRATOR", "administrator1", "1-administrator", "anbmonitor2026", "flower-flower", strings.Repeat("x", 600), "with a\nnewline in", "nul\x00in-the-middle", "broken-\xff-utf8",
	} {
		require.Error(t, CheckPassword("administrator", p), "%q", p)
	}
	require.ErrorContains(t, CheckPassword("a.long.user.name", "A.Long.User.Name"), "is the name")
	require.Error(t, CheckPassword("a.long.user.name", "a.long.user.name12"))
	for _, p := range []string{"kiosko-verde-87", "tres tristes tigres comen", "Xy3-9kQz-77aP", "ñandú del páramo", strings.Repeat("a1b", 3) + "Zq9!"} {
		require.NoError(t, CheckPassword("administrator", p), p)
	}
	err := CheckPassword("administrator", "hush-9Z")
	require.Error(t, err)
	require.NotContains(t, err.Error(), "hush")
}

func TestNew_RefusesWhatIsMissingOrWrong(t *testing.T) {
	t.Parallel()
	whole := Deps{DB: dbtest.SQLite(t), Config: laptop(), Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	_, err := New(whole)
	require.NoError(t, err)
	for name, change := range map[string]func(*Deps){
		"DB": func(d *Deps) { d.DB = nil }, "Now": func(d *Deps) { d.Now = nil }, "Log": func(d *Deps) { d.Log = nil },
		"weak password":        func(d *Deps) { d.Config.AdminPassword = "changeme1234" },
		"origin with a path":   func(d *Deps) { d.Origins = []string{"https://x/y"} },
		"origin with a policy": func(d *Deps) { d.Origins = []string{"https://x; script-src *"} },
		"any origin":           func(d *Deps) { d.Origins = []string{"*"} },
		"origin of a scheme":   func(d *Deps) { d.Origins = []string{"https:"} },
	} {
		d := whole
		change(&d)
		_, err := New(d)
		require.Error(t, err, name)
	}
}

func TestNewUserAndNewToken_MakeWhatTheConfigurationTakes(t *testing.T) {
	t.Parallel()
	user, err := NewUser("eva", Operator, "kiosko-verde-87")
	require.NoError(t, err)
	token, line, err := NewToken("script", Viewer)
	require.NoError(t, err)
	require.NotContains(t, line, token)
	c := guarded()
	c.Users, c.Tokens = user, line
	b := setup(t, c)
	require.Equal(t, 200, b.send("GET", "/operator", basic("eva", "kiosko-verde-87")).Code)
	require.Equal(t, 200, b.send("GET", "/viewer", bearer(token)).Code)

	other, _, err := NewToken("script", Viewer)
	require.NoError(t, err)
	require.NotEqual(t, token, other)
	for _, bad := range []string{"", "a:b", "a b", "local", "ñ", strings.Repeat("x", 65), "-a"} {
		_, err := NewUser(bad, Admin, "kiosko-verde-87")
		require.Error(t, err, bad)
		_, _, err = NewToken(bad, Admin)
		require.Error(t, err, bad)
	}
	_, err = NewUser("eva", "boss", "kiosko-verde-87")
	require.Error(t, err)
	_, err = NewUser("eva", Admin, "changeme1234")
	require.Error(t, err)
}
