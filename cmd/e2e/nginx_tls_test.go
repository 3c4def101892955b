//go:build e2e

package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// overTLS is a client that trusts the certificate that is there now.
func (f *front) overTLS(t *testing.T, least, most uint16) *http.Client {
	t.Helper()
	chain, err := os.ReadFile(filepath.Join(f.dir, "certs/fullchain.pem"))
	require.NoError(t, err)
	trusted := x509.NewCertPool()
	require.True(t, trusted.AppendCertsFromPEM(chain))
	tr := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: trusted, MinVersion: least, MaxVersion: most}}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func TestNginx_CertificatesSwitchHTTPSOn(t *testing.T) {
	t.Parallel()
	f := newFront(t, t.TempDir())
	f.standIn(t, 1, func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		_, _ = fmt.Fprint(w, r.Header.Get("X-Forwarded-Proto"), " ", r.URL.Path, " ", n)
	})
	f.names.are(f.replica(1))
	f.run(t)
	plain := from(t, "127.0.0.1")
	plain.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	challenge := "/.well-known/acme-challenge/abc-DEF_9"
	require.NoError(t, os.MkdirAll(filepath.Join(f.dir, "certs/acme/.well-known/acme-challenge"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(f.dir, "certs/acme", challenge), []byte("proof"), 0o644))

	_, err := tls.Dial("tcp", f.secure, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // there is none to verify
	require.Error(t, err, "without certificates there is no HTTPS")
	a := f.get(t, plain, "/api/x")
	require.Equal(t, "http /api/x 0", a.body)
	require.Empty(t, a.header.Get("Strict-Transport-Security"))
	require.Equal(t, "proof", f.get(t, plain, challenge).body)
	requireProblem(t, f.get(t, plain, "/.well-known/acme-challenge/none"), 404, "NOT_FOUND")
	f.reload()

	f.certify(t) // half of a pair is none
	key := filepath.Join(f.dir, "certs/privkey.pem")
	require.NoError(t, os.Rename(key, key+".away"))
	require.Equal(t, 200, f.get(t, plain, "/api/x").status)
	require.NoError(t, os.Rename(key+".away", key))

	for _, method := range []string{"GET", "POST"} {
		a := f.send(t, method+" /api/x?a=1&b=%20 HTTP/1.1\r\nHost: anb.example:8080\r\nConnection: close\r\n\r\n")
		require.Equal(t, 308, a.status)
		require.Equal(t, "https://anb.example/api/x?a=1&b=%20", a.header.Get("Location"))
		require.Empty(t, a.header.Get("Strict-Transport-Security"), "over HTTP it means nothing")
	}
	require.Equal(t, 308, f.get(t, plain, "/health/x").status)
	require.Equal(t, 308, f.get(t, plain, "/.well-known/acme-challenge/../x").status)
	require.Equal(t, "http /health 0", f.get(t, plain, "/health").body, "health checks follow no redirects")
	require.Equal(t, "proof", f.get(t, plain, challenge).body)
	requireProblem(t, f.send(t, "HOLA\r\n\r\n"), 400, "MALFORMED_REQUEST")

	for version, want := range map[uint16]string{tls.VersionTLS12: "TLSv1.2", tls.VersionTLS13: "TLSv1.3"} {
		res, err := f.overTLS(t, version, version).Post("https://"+f.secure+"/api/videos", "", strings.NewReader(strings.Repeat("x", 3<<20)))
		require.NoError(t, err)
		require.Equal(t, "HTTP/2.0", res.Proto)
		require.Equal(t, []string{"max-age=31536000"}, res.Header.Values("Strict-Transport-Security"))
		a := f.told(t, res, res.Body)
		require.Equal(t, "https /api/videos 3145728", a.body)
		require.Equal(t, want, a.line["tls"])
	}
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11} {
		_, err := f.overTLS(t, version, version).Get("https://" + f.secure + "/") //nolint:bodyclose // there is none
		require.ErrorContains(t, err, "protocol version")
	}
	res, err := f.overTLS(t, tls.VersionTLS12, 0).Get("https://" + f.secure + "/metrics")
	require.NoError(t, err)
	require.Equal(t, []string{"max-age=31536000"}, res.Header.Values("Strict-Transport-Security"))
	requireProblem(t, f.told(t, res, res.Body), 404, "NOT_FOUND")

	// A renewed pair is served at once, and nothing replaces one unasked.
	out, err := exec.Command("sh", filepath.Join(f.dir, "self-signed")).CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "there already")
	require.NoError(t, os.Remove(key))
	require.NoError(t, os.Remove(filepath.Join(f.dir, "certs/fullchain.pem")))
	f.certify(t, "localhost", "127.0.0.1")
	res, err = f.overTLS(t, tls.VersionTLS12, 0).Get("https://" + f.secure + "/")
	require.NoError(t, err, "the new certificate")
	require.NoError(t, res.Body.Close())
	f.reload()
	res, err = f.overTLS(t, tls.VersionTLS12, 0).Get("https://" + f.secure + "/")
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
}

func TestNginx_ASelfSignedPairIsGoodForItsNames(t *testing.T) {
	t.Parallel()
	f := newFront(t, t.TempDir())
	f.certify(t, "anb.example", "192.0.2.7")
	pair, err := tls.LoadX509KeyPair(filepath.Join(f.dir, "certs/fullchain.pem"), filepath.Join(f.dir, "certs/privkey.pem"))
	require.NoError(t, err)
	for _, name := range []string{"localhost", "127.0.0.1", "anb.example", "192.0.2.7"} {
		require.NoError(t, pair.Leaf.VerifyHostname(name))
	}
	require.Error(t, pair.Leaf.VerifyHostname("other.example"))
	require.WithinDuration(t, time.Now().AddDate(0, 0, 365), pair.Leaf.NotAfter, time.Hour)
	info, err := os.Stat(filepath.Join(f.dir, "certs/privkey.pem"))
	require.NoError(t, err)
	if os.Getuid() == 0 { // else nginx could not read it in its container
		require.Equal(t, os.FileMode(0o640), info.Mode())
	}
}
