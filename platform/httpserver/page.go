package httpserver

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"anb/platform/fault"
)

// The paging limits of the contract.
const (
	DefaultLimit = 50
	MaxLimit     = 100
	// MaxCount is how far totals are counted; beyond, they read "10000+".
	MaxCount = 10_000
	// maxOffset keeps page numbers within what a database counts quickly.
	maxOffset = 10_000_000
)

// Page is the part of a list that a request asks for.
type Page struct {
	Limit  int // 1 to MaxLimit
	Offset int // from 0
}

// ParsePage reads limit with offset, or page with page_size. A number that is
// malformed, out of range or repeated is fault.ErrParameter.
//
// A query that cannot be parsed as a whole is too: what it means is a guess.
func ParsePage(c echo.Context) (Page, error) {
	q, err := url.ParseQuery(c.Request().URL.RawQuery)
	if err != nil {
		return Page{}, fault.ErrParameter
	}
	if q.Has("page") || q.Has("page_size") {
		if q.Has("limit") || q.Has("offset") {
			return Page{}, fault.ErrParameter
		}
		page, err1 := Int(q, "page", 1, 1, maxOffset/MaxLimit)
		size, err2 := Int(q, "page_size", DefaultLimit, 1, MaxLimit)
		if err1 != nil || err2 != nil {
			return Page{}, fault.ErrParameter
		}
		return Page{Limit: size, Offset: (page - 1) * size}, nil
	}
	limit, err1 := Int(q, "limit", DefaultLimit, 1, MaxLimit)
	offset, err2 := Int(q, "offset", 0, 0, maxOffset)
	if err1 != nil || err2 != nil {
		return Page{}, fault.ErrParameter
	}
	return Page{Limit: limit, Offset: offset}, nil
}

// Int reads one whole number between least and most from q, or fallback when
// it is absent. Anything else is fault.ErrParameter.
func Int(q url.Values, name string, fallback, least, most int) (int, error) {
	vs, ok := q[name]
	if !ok {
		return fallback, nil
	}
	if len(vs) != 1 {
		return 0, fault.ErrParameter
	}
	n, err := strconv.Atoi(vs[0])
	if err != nil || n < least || n > most || strconv.Itoa(n) != vs[0] {
		return 0, fault.ErrParameter
	}
	return n, nil
}

// One returns the parameter when it is given at most once and, if allowed is
// not empty, is one of those; the first allowed is the value of an absent one.
func One(q url.Values, name string, allowed ...string) (string, error) {
	vs, ok := q[name]
	switch {
	case !ok && len(allowed) > 0:
		return allowed[0], nil
	case !ok:
		return "", nil
	case len(vs) != 1, len(allowed) > 0 && !slices.Contains(allowed, vs[0]), !printable(vs[0]):
		return "", fault.ErrParameter
	}
	return vs[0], nil
}

// Total is the text of X-Total-Count: exact up to MaxCount, then "10000+". n
// may have been counted no further than MaxCount+1.
func Total(n int64) string {
	if n > MaxCount {
		return strconv.Itoa(MaxCount) + "+"
	}
	return strconv.FormatInt(n, 10)
}

// printable refuses what no database stores: NUL and broken UTF-8.
func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsRune(s, 0)
}
