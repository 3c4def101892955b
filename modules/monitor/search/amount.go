package search

import (
	"strconv"
	"time"
)

const day = 24 * time.Hour

// unit is a suffix of durations; the longest comes first.
type unit struct {
	suffix byte
	length time.Duration
}

func units() []unit {
	return []unit{{'d', day}, {'h', time.Hour}, {'m', time.Minute}, {'s', time.Second}}
}

// duration reads 90s, 10m, 2h and 3d, up to ten years.
func duration(s string) (time.Duration, bool) {
	if s == "" {
		return 0, false
	}
	n, ok := number(s[:len(s)-1])
	if !ok {
		return 0, false
	}
	for _, u := range units() {
		if s[len(s)-1]|0x20 == u.suffix && n <= int(3650*day/u.length) {
			return time.Duration(n) * u.length, true
		}
	}
	return 0, false
}

// FormatDuration writes whole seconds as searches have them, in the longest unit
// that leaves no rest.
func FormatDuration(d time.Duration) string {
	for _, u := range units() {
		if d != 0 && d%u.length == 0 {
			return strconv.Itoa(int(d/u.length)) + string(u.suffix)
		}
	}
	return strconv.Itoa(int(d/time.Second)) + "s"
}

// number reads digits, up to nine.
func number(s string) (int, bool) {
	if s == "" || len(s) > 9 {
		return 0, false
	}
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	n, err := strconv.Atoi(s)
	return n, err == nil
}
