//go:build e2e

package e2e

import (
	"net/http"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/platform/ffmpeg/ffmpegtest"
	"anb/platform/storage/storagetest"
)

func TestS3_ObjectsThatWereTakenAway(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	ana := newClient(t, c.node(nil, "serve").base()).join("Ana", "Cali")
	clip := ffmpegtest.Clip(t, ffmpegtest.Spec{Seconds: 2})
	gone, id := ana.upload("Sin archivo", clip), ana.upload("Triple", clip)
	c.s3.Remove(t, "originals/"+gone+".mp4")
	require.Contains(t, c.once(1, nil, "doctor", "--quick"), "original of video "+gone+": "+gone+".mp4 is missing")
	c.works()
	v := ana.processed(id, patience)
	failed := ana.until(gone, patience, func(v map[string]any) bool { return v["status"] == "failed" })
	require.Equal(t, "STORAGE", failed["failure_code"])
	require.Contains(t, failed["failure_reason"], "súbelo otra vez")
	require.Equal(t, []string{"failed", "failed", "failed"}, c.attempts(gone))
	require.Equal(t, gone, ana.object(http.StatusOK, http.MethodDelete, "/api/videos/"+gone, nil)["video_id"])
	require.Contains(t, c.once(0, nil, "doctor"), "all is well")

	// An original that rests in an archive is nobody's loss.
	original := v["original_url"].(string)
	require.True(t, strings.HasPrefix(original, "/api/videos/"+id+"/original?"), "who knows whether a phone reaches the bucket")
	ranges(t, ana, original)
	c.s3.Answering(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || !strings.HasPrefix(r.URL.Path, "/bucket/originals/"+id) {
			return false
		}
		storagetest.Refuse(w, http.StatusForbidden, "InvalidObjectState")
		return true
	})
	require.Contains(t, c.once(0, nil, "doctor"), "all is well")
	require.Equal(t, "UNAVAILABLE", ana.object(http.StatusServiceUnavailable, http.MethodGet, original, nil)["code"])
	c.s3.Answering(nil)

	for _, lost := range []struct{ key, address, kind string }{
		{"originals/" + id + ".mp4", original, "original"},
		{"processed/" + path.Base(v["thumbnail_url"].(string)), "/api/public/videos/" + id + "/thumbnail", "poster"},
		{"processed/" + path.Base(v["processed_url"].(string)), "/api/public/videos/" + id + "/stream", "published"},
	} {
		status, _, _ := ana.do(http.MethodGet, lost.address, "", nil)
		require.Equal(t, http.StatusOK, status, lost.kind)
		c.s3.Remove(t, lost.key)
		require.Equal(t, "VIDEO_NOT_FOUND", ana.object(http.StatusNotFound, http.MethodGet, lost.address, nil)["code"], lost.kind)
		require.Contains(t, c.once(1, nil, "doctor", "--quick"), lost.kind+" of video "+id+": "+path.Base(lost.key)+" is missing")
	}
	require.Equal(t, "processed", ana.video(id)["status"])
}

func TestS3_RolesSayWhyTheyAreRefused(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	for name, refused := range map[string]struct {
		set  []string
		want string
	}{
		"no bucket":      {[]string{"ANB_STORAGE_PROCESSED=" + strings.Replace(c.s3.Store(""), "bucket", "another", 1)}, "storage.processed: .*the bucket does not exist"},
		"unknown key":    {[]string{"AWS_ACCESS_KEY_ID=unknown"}, "the access key or its secret is wrong"},
		"wrong secret":   {[]string{"AWS_SECRET_ACCESS_KEY=wrong"}, "the access key or its secret is wrong"},
		"another region": {[]string{"ANB_STORAGE_ORIGINALS=" + strings.Replace(c.s3.Store("&prefix=originals"), "us-east-1", "eu-west-1", 1)}, "storage.originals: .*the region is wrong"},
	} {
		for _, role := range []string{"serve", "work", "doctor"} {
			p := c.node(refused.set, role)
			require.Equal(t, 1, p.wait(time.Minute), "%s: %s", name, p.out)
			p.said(refused.want)
		}
	}
}

func TestS3_StartsWhileTheBucketIsAwayAndIsReadyWhenItIsBack(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.s3.Failing(http.StatusServiceUnavailable, -1, func(*http.Request) bool { return true })
	api := c.node(nil, "serve")
	ana := newClient(t, api.base())
	api.said(`msg="storage is not ready" storage=\w+`)
	require.Equal(t, "unavailable", ana.object(http.StatusServiceUnavailable, http.MethodGet, "/readyz", nil)["status"])
	ana = ana.join("Ana", "Cali")
	require.Empty(t, ana.array("/api/public/videos"))
	w := c.works()
	c.s3.Answering(nil)
	id := ana.upload("Triple", ffmpegtest.Clip(t, ffmpegtest.Spec{Seconds: 2}))
	require.Eventually(t, func() bool {
		status, _, _ := ana.do(http.MethodGet, "/readyz", "", nil)
		return status == http.StatusOK
	}, patience, 100*time.Millisecond)
	ana.processed(id, patience)

	// No keys at all: a role of the machine may bring some.
	none := c.node([]string{"AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY="}, "serve")
	none.said(`msg="storage is not ready".*credentials`)
	status, body, _ := newClient(t, none.base()).do(http.MethodGet, "/readyz", "", nil)
	require.Equal(t, http.StatusServiceUnavailable, status, "%s", body)

	// Keys that are taken away while it runs.
	c.s3.Failing(http.StatusForbidden, -1, func(*http.Request) bool { return true })
	require.Eventually(t, func() bool {
		status, body, _ := ana.do(http.MethodGet, "/readyz", "", nil)
		return status == http.StatusServiceUnavailable && strings.Contains(string(body), "refuses us")
	}, patience, 100*time.Millisecond)
	c.s3.Answering(nil)
	w.signal(sigterm)
	require.Zero(t, w.wait(time.Minute))
	require.True(t, slices.Equal([]string{"done"}, c.attempts(id)))
}
