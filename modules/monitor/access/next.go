package access

import (
	"net/url"
	"strings"
)

// maxNext is the length of an address to return to, in bytes.
const maxNext = 2048

// Local returns next when it is an address within the dashboard to which a
// browser may be sent after signing in, else "/". What browsers read as another
// host ("//x", "/\x", and both with tabs between) is none.
func Local(next string) string {
	if len(next) > maxNext || !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") ||
		strings.ContainsFunc(next, func(r rune) bool { return r <= ' ' || r == '\\' || r == 0x7f }) {
		return "/"
	}
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Path == loginPath || u.Path == logoutPath {
		return "/"
	}
	return next
}
