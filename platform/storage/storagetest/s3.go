package storagetest

import (
	"context"
	"crypto/rand"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"
)

// The keys of every S3 server of this process: nobody else's server knows them.
var AccessKey, SecretKey = rand.Text(), rand.Text()

// Environment is what a program needs to use the servers of this process, and
// keeps it from looking for keys elsewhere.
func Environment() map[string]string {
	return map[string]string{
		"AWS_ACCESS_KEY_ID": AccessKey, "AWS_SECRET_ACCESS_KEY": SecretKey, "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
	}
}

// S3 is an S3 server behind a proxy that a test can have answer differently.
type S3 struct {
	*httptest.Server              // the proxy
	Real             http.Handler // what answers when no fault does
	Client           *s3.Client   // goes past the proxy

	mu    sync.Mutex
	fault func(w http.ResponseWriter, r *http.Request) (answered bool)
	calls []string // method and path with query
}

// StartS3 runs a server with an empty bucket named bucket until the test ends.
func StartS3(t *testing.T) *S3 {
	t.Helper()
	transport := launch(t)
	f := &S3{
		Real: &httputil.ReverseProxy{
			Transport: transport,
			Rewrite: func(r *httputil.ProxyRequest) {
				r.SetURL(&url.URL{Scheme: "http", Host: "s3"})
				r.Out.Host = r.In.Host // which the signature covers
			},
			ErrorLog: log.New(io.Discard, "", 0), // tests break connections
		},
		Client: s3.New(s3.Options{
			BaseEndpoint: aws.String("http://s3"), UsePathStyle: true, Region: "us-east-1", HTTPClient: &http.Client{Transport: transport},
			Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				return aws.Credentials{AccessKeyID: AccessKey, SecretAccessKey: SecretKey}, nil
			}),
		}),
	}
	_, err := f.Client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("bucket")})
	require.NoError(t, err)
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

// Store is the address of the bucket for storage.Config, with further options
// such as "&prefix=mine".
func (f *S3) Store(options string) string {
	return "s3://bucket?region=us-east-1&use_path_style=true&endpoint=" + url.QueryEscape(f.URL) + options
}

// ServeHTTP answers as the test wants, else as S3 would.
func (f *S3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.calls = append(f.calls, r.Method+" "+r.URL.RequestURI())
	fault := f.fault
	f.mu.Unlock()
	if fault != nil && fault(w, r) {
		return
	}
	f.Real.ServeHTTP(w, r)
}

// Failing answers the requests for which match holds, the first times of them,
// with a status; times < 0 means all.
func (f *S3) Failing(status, times int, match func(*http.Request) bool) {
	var mu sync.Mutex
	f.Answering(func(w http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		if !match(r) || times == 0 {
			return false
		}
		times--
		_, _ = io.Copy(io.Discard, r.Body)
		Refuse(w, status, codes[status])
		return true
	})
}

// Refuse answers as S3 does when it refuses.
func Refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, `<?xml version="1.0"?><Error><Code>`+code+`</Code><Message>no</Message></Error>`)
}

var codes = map[int]string{
	500: "InternalError", 503: "SlowDown", 507: "XMinioStorageFull", 403: "AccessDenied",
	200: "InternalError", // S3 finds out too late that it cannot say so
}

// Cutting takes half of the requests for which match holds and cuts their
// connections, the first times of them; times < 0 means all. It returns how many
// it has cut.
func (f *S3) Cutting(times int64, match func(*http.Request) bool) *atomic.Int64 {
	var cut atomic.Int64
	f.Answering(func(_ http.ResponseWriter, r *http.Request) bool {
		if !match(r) || times >= 0 && cut.Load() >= times {
			return false
		}
		cut.Add(1)
		_, _ = io.CopyN(io.Discard, r.Body, r.ContentLength/2)
		panic(http.ErrAbortHandler)
	})
	return &cut
}

// Answering lets fault answer requests; nil ends that.
func (f *S3) Answering(fault func(http.ResponseWriter, *http.Request) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault = fault
}

// Count returns how many requests match: method and path with query.
func (f *S3) Count(match func(call string) bool) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, c := range f.calls {
		if match(c) {
			n++
		}
	}
	return n
}

// Pending returns the keys of the multipart uploads that nobody finished or
// aborted. It may be asked when the test has ended.
func (f *S3) Pending(t *testing.T) []string {
	t.Helper()
	list, err := f.Client.ListMultipartUploads(context.WithoutCancel(t.Context()), &s3.ListMultipartUploadsInput{Bucket: aws.String("bucket")})
	require.NoError(t, err)
	require.False(t, aws.ToBool(list.IsTruncated))
	keys := []string{}
	for _, u := range list.Uploads {
		keys = append(keys, aws.ToString(u.Key))
	}
	return keys
}

// Objects returns the keys in the bucket that begin with prefix.
func (f *S3) Objects(t *testing.T, prefix string) []string {
	t.Helper()
	list, err := f.Client.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String("bucket"), Prefix: &prefix})
	require.NoError(t, err)
	require.False(t, aws.ToBool(list.IsTruncated))
	keys := []string{}
	for _, o := range list.Contents {
		keys = append(keys, aws.ToString(o.Key))
	}
	return keys
}

// Remove deletes an object behind the program's back.
func (f *S3) Remove(t *testing.T, key string) {
	t.Helper()
	_, err := f.Client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String("bucket"), Key: &key})
	require.NoError(t, err)
}

// CredentialsFile writes the keys as AWS_SHARED_CREDENTIALS_FILE has them, and
// returns the file's path.
func CredentialsFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "credentials")
	keys := "[default]\naws_access_key_id = " + AccessKey + "\naws_secret_access_key = " + SecretKey + "\n"
	require.NoError(t, os.WriteFile(path, []byte(keys), 0o600))
	return path
}
