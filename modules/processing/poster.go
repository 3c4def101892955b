package processing

import (
	"context"
	"strconv"
	"time"

	"anb/platform/ffmpeg"
)

const (
	posterWidth = 640 // pixels
	// posterDelay is how long after the opening card the poster's picture is:
	// the first moment of a clip is often blurred.
	posterDelay = 500 * time.Millisecond
)

// poster takes a picture from our own result, which is upright, of ordinary
// colours and without metadata already.
func (r *run) poster(ctx context.Context, bodyFrames int64) error {
	body := time.Duration(bodyFrames) * time.Second / time.Duration(r.config.FPS)
	at := r.config.CardLength + min(posterDelay, body/2)
	_, err := r.tools.Run(ctx, ffmpeg.Command{Dir: r.job.Dir, Args: []string{
		"-threads", strconv.Itoa(r.config.Threads), "-protocol_whitelist", "file", "-f", "mov",
		"-ss", secondsOf(at), "-i", "file:" + r.path(videoName),
		"-frames:v", "1", "-vf", "scale=" + strconv.Itoa(posterWidth) + ":-2", "-q:v", "4",
		"-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact",
		"-f", "image2", "-update", "1", "-y", r.path(posterName),
	}})
	if err != nil {
		return failure("take poster", err, ReasonEncoderFailed)
	}
	return nil
}
