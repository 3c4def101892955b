package storage_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"anb/platform/storage"
	"anb/platform/storage/storagetest"
)

func TestS3_SaysWhyItIsRefused(t *testing.T) {
	credentials(t)
	f := newS3(t)
	refused := func(t *testing.T, url, want string) {
		t.Helper()
		s, err := storage.OpenImpatient(t.Context(), storage.Config{URL: url, StageDir: t.TempDir()})
		require.NoError(t, err)
		defer s.Close()
		err = s.Check(t.Context())
		require.ErrorIs(t, err, storage.ErrRefused)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), storagetest.SecretKey)
	}
	t.Run("no bucket", func(t *testing.T) {
		refused(t, strings.Replace(f.Store(""), "bucket", "another", 1), "the bucket does not exist")
	})
	t.Run("another region", func(t *testing.T) {
		refused(t, strings.Replace(f.Store(""), "us-east-1", "us-east-2", 1), "the region is wrong")
	})
	t.Run("an unknown key", func(t *testing.T) {
		t.Setenv("AWS_ACCESS_KEY_ID", "unknown")
		refused(t, f.Store(""), "the access key or its secret is wrong")
	})
	t.Run("a wrong secret", func(t *testing.T) {
		t.Setenv("AWS_SECRET_ACCESS_KEY", "wrong")
		refused(t, f.Store(""), "the access key or its secret is wrong")
	})
	t.Run("no key", func(t *testing.T) {
		t.Setenv("AWS_ACCESS_KEY_ID", "")
		t.Setenv("AWS_SECRET_ACCESS_KEY", "")
		s := f.open(t, "")
		err := s.Check(t.Context())
		require.NotErrorIs(t, err, storage.ErrRefused, "the role of a machine may come later")
		require.ErrorContains(t, err, "credentials")
	})
	t.Run("no permission", func(t *testing.T) {
		defer f.Answering(nil)
		f.Failing(http.StatusForbidden, -1, func(*http.Request) bool { return true })
		refused(t, f.Store(""), "the access key may not use the bucket")
	})
	t.Run("a clock that cannot be put right", func(t *testing.T) {
		defer f.Answering(nil)
		f.Answering(func(w http.ResponseWriter, _ *http.Request) bool {
			storagetest.Refuse(w, http.StatusForbidden, "RequestTimeTooSkewed")
			return true
		})
		refused(t, f.Store(""), "the clock of this machine is wrong")
	})
	t.Run("nothing, when it is well again", func(t *testing.T) {
		require.NoError(t, f.open(t, "").Check(t.Context()))
	})
}

// The server's clock says in each answer how wrong ours is.
func TestS3_SignsWithTheServersClock(t *testing.T) {
	credentials(t)
	f := newS3(t)
	s := f.open(t, "")
	const off = 3 * time.Hour
	signed := make(chan time.Time, 10)
	f.Answering(func(w http.ResponseWriter, r *http.Request) bool {
		at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
		if err != nil {
			return false
		}
		signed <- at
		w.Header().Set("Date", time.Now().Add(off).UTC().Format(http.TimeFormat))
		storagetest.Refuse(w, http.StatusForbidden, "RequestTimeTooSkewed")
		return true
	})
	require.ErrorIs(t, s.Check(t.Context()), storage.ErrRefused)
	require.WithinDuration(t, time.Now(), <-signed, time.Minute)
	require.WithinDuration(t, time.Now().Add(off), <-signed, time.Minute)
}

func TestS3_TellsWhatIsArchived(t *testing.T) {
	credentials(t)
	f := newS3(t)
	s := f.open(t, "")
	storagetest.Put(t, s, "a", "x")
	f.Answering(func(w http.ResponseWriter, r *http.Request) bool {
		if !isGet(r) {
			return false
		}
		storagetest.Refuse(w, http.StatusForbidden, "InvalidObjectState")
		return true
	})
	o, err := s.Open(t.Context(), "a")
	require.NoError(t, err, "what it is can still be seen")
	defer o.Close()
	_, err = o.Read(make([]byte, 1))
	require.ErrorIs(t, err, storage.ErrArchived)
	_, err = s.Fetch(t.Context(), "a", t.TempDir())
	require.ErrorIs(t, err, storage.ErrArchived)
}

func TestS3_TellsAnObjectThatMayNotBeRead(t *testing.T) {
	credentials(t)
	f := newS3(t)
	s := f.open(t, "")
	storagetest.Put(t, s, "a", "x")
	o, err := s.Open(t.Context(), "a")
	require.NoError(t, err)
	defer o.Close()
	f.Failing(http.StatusForbidden, -1, func(*http.Request) bool { return true })
	_, err = o.Read(make([]byte, 1))
	require.ErrorIs(t, err, storage.ErrRefused)
	_, err = s.Open(t.Context(), "a")
	require.ErrorIs(t, err, storage.ErrRefused)
}

// Tools of operators know nothing of what we note beside an object.
func TestS3_TakesWhatOthersHaveCopiedIntoIt(t *testing.T) {
	credentials(t)
	f := newS3(t)
	_, err := f.Client.PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: aws.String("bucket"), Key: aws.String("mine/a.mp4"), Body: strings.NewReader("content"),
	})
	require.NoError(t, err)
	s := f.open(t, "&prefix=mine")
	require.Equal(t, []string{"a.mp4"}, storagetest.Keys(t, s, ""))
	require.Equal(t, "content", storagetest.Content(t, s, "a.mp4"))
	require.ErrorIs(t, commit(t.Context(), t, s, "a.mp4", "other"), storage.ErrExist)
	require.NoError(t, s.Delete(t.Context(), "a.mp4"))
	require.Empty(t, f.Objects(t, ""))
}
