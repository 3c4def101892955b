package check_test

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// route finds the Ingress of a path as ingress-nginx does where a host has
// expressions: the longest path first, each from the beginning, in any letters.
func (c cluster) route(t *testing.T, host, path string) (name string, annotations map[string]string) {
	t.Helper()
	type location struct{ name, path string }
	var all []location
	notes := map[string]map[string]string{}
	for _, i := range c.ingresses {
		notes[i.Name] = i.Annotations
		for _, r := range i.Spec.Rules {
			for _, p := range r.HTTP.Paths {
				if r.Host == host {
					all = append(all, location{i.Name, p.Path})
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b location) int { return cmp.Compare(len(b.path), len(a.path)) })
	for _, l := range all {
		if regexp.MustCompile("(?i)^" + l.path).MatchString(path) {
			return l.name, notes[l.name]
		}
	}
	return "", nil
}

func TestIngresses_EachPathHasTheLimitsOfItsKind(t *testing.T) {
	t.Parallel()
	c := rendered(t, example)
	for path, want := range map[string]string{
		"/":                                   "anb-api",
		"/api/auth/me":                        "anb-api",
		"/api/auth/login":                     "anb-signin",
		"/api/auth/signup/":                   "anb-signin",
		"/api/auth/password":                  "anb-signin",
		"/api/videos":                         "anb-upload",
		"/api/videos/":                        "anb-upload",
		"/api/videos/upload":                  "anb-upload",
		"/api/videos/0192/original":           "anb-api",
		"/api/videos/0192/events":             "anb-events",
		"/api/public/videos":                  "anb-api",
		"/api/public/videos/0192/vote":        "anb-vote",
		"/api/public/videos/0192/vote-status": "anb-api",
		"/processed/a.mp4":                    "anb-api",
	} {
		got, _ := c.route(t, "anb.example.com", path)
		require.Equal(t, want, got, path)
	}
	_, notes := c.route(t, "anb.example.com", "/api/videos/0192/events")
	require.Equal(t, "off", notes["nginx.ingress.kubernetes.io/proxy-buffering"])
	got, _ := c.route(t, "dashboard.anb.example.com", "/jobs")
	require.Equal(t, "anb-dashboard", got)
}

func TestIngresses_UploadsFitThrough(t *testing.T) {
	t.Parallel()
	c, _, configs := roles(t)
	_, notes := c.route(t, "anb.example.com", "/api/videos/upload")
	require.Equal(t, "off", notes["nginx.ingress.kubernetes.io/proxy-request-buffering"])
	mebibytes, err := strconv.ParseInt(strings.TrimSuffix(notes["nginx.ingress.kubernetes.io/proxy-body-size"], "m"), 10, 64)
	require.NoError(t, err)
	require.GreaterOrEqual(t, mebibytes*mib, configs["api"].number(t, "upload", "max_bytes")+mib, "the form is around the file")
}
