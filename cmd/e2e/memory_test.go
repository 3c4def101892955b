//go:build e2e

package e2e

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/platform/ffmpeg/ffmpegtest"
)

const mib = 1 << 20

// What is promised of serve: at most 40 MiB of anonymous memory at rest, and
// at most 64 MiB more during eight parallel uploads of 95 MiB. Measured on the
// binary as shipped. Not parallel: it is the one that moves a lot of data.
func TestServe_MemoryStaysSmall(t *testing.T) {
	f := newFleet(t, release(t), append(slices.Clone(quick), "ANB_UPLOAD_PER_PLAYER=8")...)
	api := f.run("serve")
	c := newClient(t, api.base())
	clip, err := os.ReadFile(ffmpegtest.Clip(t, ffmpegtest.Spec{Seconds: 2}))
	require.NoError(t, err)
	ana := c.join("Ana", "Cali")
	ana.array("/api/videos")
	c.array("/api/public/rankings")

	idle := api.anonymous()
	require.LessOrEqual(t, idle, int64(40*mib), "at rest")

	stop := make(chan struct{})
	var peak int64
	var watching sync.WaitGroup
	watching.Go(func() {
		for tick := time.NewTicker(5 * time.Millisecond); ; {
			peak = max(peak, api.anonymous())
			select {
			case <-stop:
				tick.Stop()
				return
			case <-tick.C:
			}
		}
	})
	const size = 95 * mib
	var uploads sync.WaitGroup
	for range 8 {
		uploads.Go(func() {
			status, body := padded(t, ana, clip, size)
			require.Equal(t, http.StatusCreated, status, "%s", body)
		})
	}
	uploads.Wait()
	close(stop)
	watching.Wait()

	t.Logf("anonymous memory: %.1f MiB at rest, %.1f MiB at the peak of 8 uploads of 95 MiB", float64(idle)/mib, float64(peak)/mib)
	require.LessOrEqual(t, peak-idle, int64(64*mib), "during eight uploads")
	api.signal(syscall.SIGTERM)
	require.Zero(t, api.wait(10*time.Second))
}

// padded uploads clip with a free atom behind it that fills it up to size.
func padded(t *testing.T, c *client, clip []byte, size int) (int, []byte) {
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	require.NoError(t, w.WriteField("title", "grande"))
	_, err := w.CreateFormFile("video_file", "grande.mp4")
	require.NoError(t, err)
	head := bytes.Clone(form.Bytes())
	n := uint32(size - len(clip))
	free := []byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
	free = append(free, "free"...)
	body := io.MultiReader(bytes.NewReader(head), bytes.NewReader(clip), bytes.NewReader(free),
		io.LimitReader(zeros{}, int64(size-len(clip)-len(free))), bytes.NewReader([]byte("\r\n--"+w.Boundary()+"--\r\n")))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.base+"/api/videos/upload", body)
	require.NoError(t, err)
	req.Header.Set("Content-Type", w.FormDataContentType())
	req.Header.Set("Authorization", "Bearer "+c.token)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, answer
}
