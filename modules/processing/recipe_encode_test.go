package processing

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/platform/ffmpeg/ffmpegtest"
)

// accepted is what Inspector would say of the usual clip.
func accepted() Source {
	return Source{Demuxer: "mov", Codec: "h264", Width: 320, Height: 180, Duration: 2 * time.Second, FPS: 30, Frames: 60}
}

func TestEncode_RefusesDamagedUploads(t *testing.T) {
	t.Parallel()
	whole := ffmpegtest.Clip(t, ffmpegtest.Spec{NoAudio: true, Source: "testsrc2=s=320x180:r=30:d=2,noise=alls=20:allf=t"})
	data, err := os.ReadFile(whole)
	require.NoError(t, err)
	holed := append([]byte{}, data...)
	clear(holed[len(holed)/2 : len(holed)*8/10])
	tests := map[string]struct {
		path string
		want Reason
	}{
		"cut off after its index":  {ffmpegtest.Truncated(t, whole, 0.6), ReasonTruncated},
		"with a hole":              {ffmpegtest.Write(t, "holed.mp4", holed), ReasonCorruptStream},
		"that are no video at all": {ffmpegtest.Write(t, "text.mp4", []byte("esto no es un video")), ReasonCorruptStream},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := smallEncoder(t).Encode(t.Context(), Job{Path: tt.path, Source: accepted(), Dir: t.TempDir()}, nil)
			f := requireReason(t, tt.want, err)
			require.True(t, f.Reason.Permanent())
			require.NotEmpty(t, f.Tail)
		})
	}
}

func TestEncode_TellsWhyFFmpegFailed(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		script string
		want   Reason
		code   int
		signal string
	}{
		"killed":                   {"kill -9 $$", ReasonKilled, -1, "killed"},
		"crashed":                  {"kill -SEGV $$", ReasonKilled, -1, "segmentation fault"},
		"killed inside a shell":    {"sh -c 'kill -9 $$'; exit $?", ReasonKilled, 137, ""},
		"a full disk":              {"echo 'av_interleaved_write_frame(): No space left on device' >&2; exit 1", ReasonNoSpace, 1, ""},
		"a bad disk":               {"echo 'body.mp4: Input/output error' >&2; exit 1", ReasonStorage, 1, ""},
		"an unknown mistake":       {"echo 'Unrecognized option' >&2; exit 1", ReasonEncoderFailed, 1, ""},
		"nothing done, no mistake": {"exit 0", ReasonEncoderFailed, 0, ""},
		"an empty file":            {`for a; do case $a in */body.mp4) : >"$a";; esac; done; echo frame=60; echo progress=end`, ReasonEncoderFailed, 0, ""},
		"ten bytes":                {`for a; do case $a in */body.mp4) echo 123456789 >"$a";; esac; done; echo frame=60; echo progress=end`, ReasonEncoderFailed, 0, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := withTools(t, tt.script, nil)
			_, err := e.Encode(t.Context(), Job{Path: "unused", Source: accepted(), Dir: t.TempDir()}, nil)
			f := requireReason(t, tt.want, err)
			require.False(t, f.Reason.Permanent())
			require.Equal(t, tt.code, f.ExitCode)
			require.Equal(t, tt.signal, f.Signal)
		})
	}
}

func TestEncode_EndsWithItsContextOrItsTimeout(t *testing.T) {
	t.Parallel()
	const hang = "echo frame=30; echo progress=continue; exec sleep 1000"
	job := Job{Path: "unused", Source: accepted(), Dir: t.TempDir()}
	_, err := withTools(t, hang, func(c *EncoderConfig) { c.Timeout = 300 * time.Millisecond }).Encode(t.Context(), job, nil)
	require.False(t, requireReason(t, ReasonTimeout, err).Reason.Permanent())

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err = withTools(t, hang, nil).Encode(ctx, job, func(_ Stage, percent, _ float64) {
		if percent > 40 {
			cancel()
		}
	})
	require.ErrorIs(t, err, context.Canceled)
	var none *Failure
	require.NotErrorAs(t, err, &none)
}

func TestEncode_ReportsRisingProgressBelowTheEnd(t *testing.T) {
	t.Parallel()
	var stages []Stage
	var percents []float64
	path := ffmpegtest.Clip(t, ffmpegtest.Spec{})
	out, err := smallEncoder(t).Encode(t.Context(), Job{Path: path, Source: accepted(), Dir: t.TempDir()}, func(s Stage, p, speed float64) {
		if len(stages) == 0 || stages[len(stages)-1] != s {
			stages = append(stages, s)
		}
		percents = append(percents, p)
		require.GreaterOrEqual(t, speed, 0.0)
	})
	require.NoError(t, err)
	require.Equal(t, []Stage{StageEncode, StageJoin, StageCheck}, stages)
	require.IsIncreasing(t, append([]float64{-1}, dedupe(percents)...))
	require.Zero(t, percents[0])
	require.Contains(t, percents, float64(encodedPercent))
	require.Less(t, percents[len(percents)-1], 100.0)
	require.Len(t, out.Video.SHA256, 64)
	require.Zero(t, out.DecodeErrors)
	require.NoFileExists(t, filepath.Join(filepath.Dir(out.Video.Path), bodyName))
}

func dedupe(all []float64) []float64 {
	var out []float64
	for _, p := range all {
		if len(out) == 0 || out[len(out)-1] != p {
			out = append(out, p)
		}
	}
	return out
}

// strangers are cards with other parameter sets than those of the shared
// encoder, such as another build of ffmpeg would make.
func strangers(t *testing.T) artwork {
	t.Helper()
	art := smallEncoder(t).artwork()
	dir := t.TempDir()
	other := func(card string) string {
		path := filepath.Join(dir, filepath.Base(card))
		ffmpegtest.FFmpeg(t, "-i", card, "-c:v", "libx264", "-preset", "medium", "-profile:v", "high", "-level:v", "4.2", "-bf", "4",
			"-video_track_timescale", "30000", path)
		return path
	}
	art.opening, art.closing = other(art.opening), other(art.closing)
	info, err := installedTools(t).Probe(t.Context(), art.opening, []string{"mov"})
	require.NoError(t, err)
	require.NotEqual(t, art.extradata, info.Streams[0].ExtradataHash)
	art.extradata = info.Streams[0].ExtradataHash
	return art
}

func TestEncode_MakesASinglePassWhenCardsDoNotMatch(t *testing.T) {
	t.Parallel()
	art := strangers(t)
	cache := t.TempDir()
	e, err := NewEncoder(smallConfig(), installedTools(t), cache, discard())
	require.NoError(t, err)
	e.ready = &art
	path := ffmpegtest.Clip(t, ffmpegtest.Spec{Source: counter(80), Seconds: 3})
	source, err := smallInspector(t).Inspect(t.Context(), path)
	require.NoError(t, err)
	made := func() Output {
		out, err := e.Encode(t.Context(), Job{Path: path, Source: source, Start: 500 * time.Millisecond, Dir: t.TempDir()}, nil)
		require.NoError(t, err)
		require.Equal(t, upTo(15, 74), numbers(t, out))
		return out
	}
	single := made()
	require.True(t, single.SinglePass)
	joined := made()
	require.False(t, joined.SinglePass, "the next job has cards of this ffmpeg")
	require.Equal(t, joined.Frames, single.Frames)
	require.Equal(t, joined.Duration, single.Duration)
}

func TestEncode_RefusesFewerPicturesThanPromised(t *testing.T) {
	t.Parallel()
	path := ffmpegtest.Clip(t, ffmpegtest.Spec{Source: counter(50)})
	_, err := smallEncoder(t).Encode(t.Context(), Job{Path: path, Source: accepted(), Dir: t.TempDir()}, nil)
	requireReason(t, ReasonTruncated, err) // 50 pictures where 60 were promised
}

func TestPlan_UsesAsMuchAsThereIs(t *testing.T) {
	t.Parallel()
	c := contractEncoderConfig()
	at := func(duration, offset, start time.Duration) plan {
		return c.plan(Source{Duration: duration, Offset: offset}, start)
	}
	const s = time.Second
	require.Equal(t, plan{0, 31 * s, 900}, at(60*s, 0, 0))
	require.Equal(t, plan{0, 31 * s, 900}, at(60*s, 0, -s))
	require.Equal(t, plan{20 * s, 31 * s, 900}, at(60*s, 0, 20*s))
	require.Equal(t, plan{30 * s, 31 * s, 900}, at(60*s, 0, 9999*s))
	require.Equal(t, plan{30 * s, 31 * s, 900}, at(60*s, 0, 45*s))
	require.Equal(t, plan{0, 31 * s, 600}, at(20*s, 0, 15*s))
	require.Equal(t, plan{0, 33 * s, 900}, at(60*s, 2*s, 0))
	require.Equal(t, plan{32 * s, 31 * s, 900}, at(60*s, 2*s, 50*s))
	require.Equal(t, plan{0, 33 * s, 660}, at(22*s, 2*s, 5*s))
}

func TestPlan_ForgivesThreePercentAndOnePicture(t *testing.T) {
	t.Parallel()
	p := plan{frames: 900}
	require.True(t, p.enough(873, Source{}, 30))
	require.False(t, p.enough(872, Source{}, 30))
	require.True(t, p.enough(858, Source{FPS: 2}, 30))
	require.False(t, p.enough(857, Source{FPS: 2}, 30))
	require.False(t, plan{}.enough(0, Source{}, 30))
}

func TestEncoderConfig_ValidateNamesEveryProblem(t *testing.T) {
	t.Parallel()
	require.NoError(t, contractEncoderConfig().Validate())
	err := EncoderConfig{Width: 101, CRF: 60}.Validate()
	for _, word := range []string{"width", "fps", "preset", "crf", "threads", "timeout", "max_pixels"} {
		require.ErrorContains(t, err, word)
	}
	c := contractEncoderConfig()
	c.CardLength = 0
	require.ErrorContains(t, c.Validate(), "card_length")
	_, err = NewEncoder(EncoderConfig{}, installedTools(t), t.TempDir(), discard())
	require.Error(t, err)
	_, err = NewEncoder(contractEncoderConfig(), nil, "", nil)
	require.Error(t, err)
}

func TestParameterSets_AreWhatFFprobeTells(t *testing.T) {
	t.Parallel()
	for _, path := range []string{smallEncoder(t).artwork().opening, ffmpegtest.Clip(t, ffmpegtest.Spec{})} {
		info, err := installedTools(t).Probe(t.Context(), path, []string{"mov"})
		require.NoError(t, err)
		sets, err := parameterSets(path)
		require.NoError(t, err)
		require.Equal(t, info.Streams[0].ExtradataHash, sets)
	}
	data := readFile(t, smallEncoder(t).artwork().opening)
	for name, broken := range map[string][]byte{
		"nothing": {}, "text": []byte("esto no es un video"), "half": data[:len(data)/2], "without its index": data[:len(data)-len(ffmpegtest.Box(t, data, "moov"))],
	} {
		_, err := parameterSets(ffmpegtest.Write(t, "broken.mp4", broken))
		require.Error(t, err, name)
	}
}
