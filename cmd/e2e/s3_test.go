//go:build e2e

package e2e

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"anb/platform/ffmpeg/ffmpegtest"
	"anb/platform/storage/storagetest"
)

func whole(b []byte) io.Reader { return bytes.NewReader(b) }

func TestS3_TwoOfEachRoleAndNoSharedDisk(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.env = append(c.env, inReach(c.s3)...)
	file := []string{"AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_SHARED_CREDENTIALS_FILE=" + storagetest.CredentialsFile(t)}
	a, b := c.node(nil, "serve").base(), c.node(file, "serve").base()
	clip := ffmpegtest.Clip(t, ffmpegtest.Spec{Seconds: 2})
	sent, err := os.ReadFile(clip)
	require.NoError(t, err)

	// Said twice and taken back, before anybody works on it.
	book := newBook(t)
	luis := book.join(a, "luis")
	key := book.key()
	first, again := luis.send(key, sent, whole), luis.at(b).send(key, sent, whole)
	require.Equal(t, http.StatusCreated, again.status)
	require.Equal(t, first.text("video_id"), again.text("video_id"))
	require.Equal(t, []string{"originals/" + first.text("video_id") + ".mp4"}, c.objects("originals"))
	require.Equal(t, http.StatusOK, luis.at(b).delete(first.text("video_id")).status)
	require.Empty(t, c.objects("originals"))

	workers := []*process{c.works(), c.works()}
	ana := newClient(t, a).join("Ana", "Cali")
	other := *ana
	other.base = b
	id := ana.upload("Triple", clip)
	require.Contains(t, watch(t, &other, id), `"status":"processed"`, "the other server tells")
	more := []string{ana.upload("Bandeja", clip), other.upload("Pase", clip), ana.upload("Robo", clip)}

	v := other.video(id)
	ranges(t, &other, v["processed_url"].(string))
	ranges(t, &other, "/api/public/videos/"+id+"/stream")
	_, fromA, headA := ana.do(http.MethodGet, v["processed_url"].(string), "", nil)
	_, fromB, headB := other.do(http.MethodGet, v["processed_url"].(string), "", nil)
	require.Equal(t, sum(fromA), sum(fromB))
	require.Equal(t, headA.Get("ETag"), headB.Get("ETag"))
	require.Contains(t, c.objects("processed"), "processed/"+filepath.Base(v["processed_url"].(string)))

	original := v["original_url"].(string)
	require.True(t, strings.HasPrefix(original, c.s3.URL+"/bucket/originals/"+id), original)
	status, data := fetch(t, original, "")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, sum(sent), sum(data))
	status, data = fetch(t, original, "bytes=10-19")
	require.Equal(t, http.StatusPartialContent, status)
	require.Equal(t, sent[10:20], data)
	status, _ = fetch(t, strings.Replace(original, "X-Amz-Expires=900", "X-Amz-Expires=9000", 1), "")
	require.Equal(t, http.StatusForbidden, status)

	for _, id := range more {
		other.processed(id, patience)
	}
	require.Len(t, c.objects("originals"), 4)
	require.Len(t, c.objects("processed"), 8)
	require.Empty(t, c.s3.Pending(t))
	require.Contains(t, c.once(0, nil, "doctor"), "all is well with 4 videos")
	for _, w := range workers {
		w.signal(sigterm)
		require.Zero(t, w.wait(time.Minute))
	}
	c.requireNothingOnDisks()
	said := c.once(0, nil, "config", "check")
	require.Contains(t, said, "public_endpoint")
}

func TestS3_AnotherWorkerFinishesAndTheJanitorLeavesNothing(t *testing.T) {
	t.Parallel()
	c := newCloud(t, slow(t)...)
	ana := newClient(t, c.node(nil, "serve").base()).join("Ana", "Cali")
	w := c.works()
	id := ana.upload("Triple", ffmpegtest.Clip(t, ffmpegtest.Spec{Seconds: 8}))
	ana.midway(id)
	c.works()
	w.kill()
	ana.processed(id, patience)
	require.Equal(t, []string{"lost", "done"}, c.attempts(id))

	stray := storagetest.CredentialsFile(t) // any file
	for _, key := range []string{"originals/stray.mp4", "processed/stray.jpg", "elsewhere/x"} {
		f, err := os.Open(stray)
		require.NoError(t, err)
		_, err = c.s3.Client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("bucket"), Key: &key, Body: f})
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	now := []string{"ANB_PROCESSING_GRACE=1ms"}
	require.Contains(t, c.once(1, now, "doctor"), "stray.mp4")
	require.Contains(t, c.once(0, now, "janitor"), "removed: 2 files")
	require.Equal(t, []string{"originals/" + id + ".mp4"}, c.objects("originals"))
	require.Len(t, c.objects("processed"), 2)
	require.Len(t, c.objects("elsewhere"), 1, "not ours")
	require.Contains(t, c.once(0, now, "doctor"), "all is well with 1 videos")
}

func TestS3_AnUploadWhoseServerWasKilledLeavesNoParts(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	api, other := c.node(nil, "serve"), c.node(nil, "serve")
	book := newBook(t)
	ana := book.join(api.base(), "ana")
	clip, key := largeClip(t), book.key()
	reached := make(chan struct{}, 10)
	c.s3.Answering(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Get("partNumber") != "2" {
			return false
		}
		reached <- struct{}{}
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
		return true
	})
	answered := make(chan reply, 1)
	go func() { answered <- ana.send(key, clip, whole) }()
	<-reached
	api.kill()
	require.Error(t, (<-answered).err)
	c.s3.Answering(nil)
	require.Len(t, c.s3.Pending(t), 1)
	require.Empty(t, c.objects("originals"))

	c.once(0, nil, "janitor")
	require.Len(t, c.s3.Pending(t), 1, "it may still be under way")
	c.once(0, []string{"ANB_PROCESSING_GRACE=1ms"}, "janitor")
	require.Empty(t, c.s3.Pending(t))

	again := ana.at(other.base()).send(key, clip, whole)
	require.Equal(t, http.StatusCreated, again.status, "%v", again.body)
	require.Len(t, c.objects("originals"), 1)
	require.Empty(t, c.s3.Pending(t))
	c.works()
	ana.at(other.base()).processed(again.text("video_id"))
	c.once(0, nil, "doctor")
}

func TestS3_TakesOverWhatWasOnADisk(t *testing.T) {
	t.Parallel()
	f := newFleet(t, binary(t), quick...)
	api, work := f.run("serve"), f.worker()
	ana := newClient(t, api.base()).join("Ana", "Cali")
	clip := ffmpegtest.Clip(t, ffmpegtest.Spec{Seconds: 2})
	id := ana.upload("Triple", clip)
	ana.processed(id, patience)
	work.signal(sigterm)
	require.Zero(t, work.wait(time.Minute))
	waits := ana.upload("Bandeja", clip)
	require.Zero(t, f.run("janitor").wait(time.Minute)) // which leaves its witness
	api.signal(sigterm)
	require.Zero(t, api.wait(time.Minute))

	c := &cloud{fleet: f, s3: storagetest.StartS3(t)}
	f.env = slices.Concat(f.env, s3Settings(c.s3), inReach(c.s3))
	for folder, prefix := range map[string]string{"uploads": "originals/", "processed_videos": "processed/"} {
		files, err := os.ReadDir(filepath.Join(f.dir, folder))
		require.NoError(t, err)
		for _, e := range files {
			if strings.HasPrefix(e.Name(), ".") { // what was being received
				continue
			}
			file, err := os.Open(filepath.Join(f.dir, folder, e.Name()))
			require.NoError(t, err)
			_, err = c.s3.Client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("bucket"), Key: aws.String(prefix + e.Name()), Body: file})
			require.NoError(t, err)
			require.NoError(t, file.Close())
		}
		require.NoError(t, os.RemoveAll(filepath.Join(f.dir, folder)))
	}
	now := []string{"ANB_PROCESSING_GRACE=1ms"}
	require.Contains(t, c.once(0, now, "doctor"), "all is well with 2 videos")
	require.Contains(t, c.once(0, now, "janitor"), "removed: 0 files")
	ana.base = c.node(nil, "serve").base()
	c.works()
	ana.processed(waits, patience)
	ranges(t, ana, "/api/public/videos/"+id+"/stream")
	status, data := fetch(t, ana.video(id)["original_url"].(string), "")
	require.Equal(t, http.StatusOK, status)
	sent, err := os.ReadFile(clip)
	require.NoError(t, err)
	require.Equal(t, sum(sent), sum(data))
	require.Contains(t, c.once(0, nil, "doctor"), "all is well with 2 videos")
}
