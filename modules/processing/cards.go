package processing

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"anb/platform/ffmpeg"
)

// artwork are the files that every video shares.
type artwork struct {
	watermark, opening, closing string // paths
	extradata                   string // hash of the cards' parameter sets
}

// revision changes when the drawing code does, so that old cards are not used.
const revision = "1"

// Prepare draws the watermark and renders the two cards, unless a folder of
// the cache holds them already. The folder's name is a hash of all they depend
// on: the build of ffmpeg, its arguments, the pictures. It is cheap when there
// is nothing to do, may be called any number of times, and several processes
// may share the cache.
func (e *Encoder) Prepare(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ready != nil && e.ready.exists() {
		return nil
	}
	key, err := e.artworkKey(ctx)
	if err != nil {
		return err
	}
	dir, err := filepath.Abs(filepath.Join(e.cache, key))
	if err != nil {
		return fmt.Errorf("find cache folder: %w", err)
	}
	art, err := e.loadArtwork(ctx, dir)
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		if err := e.renderArtwork(ctx, dir); err != nil {
			return fmt.Errorf("render cards: %w", err)
		}
		if art, err = e.loadArtwork(ctx, dir); err != nil {
			return err
		}
	}
	e.ready = &art
	return nil
}

func (e *Encoder) artwork() artwork {
	e.mu.Lock()
	defer e.mu.Unlock()
	return *e.ready
}

func (a artwork) exists() bool {
	for _, path := range []string{a.watermark, a.opening, a.closing} {
		if _, err := os.Stat(path); err != nil {
			return false
		}
	}
	return true
}

func artworkIn(dir string) artwork {
	return artwork{
		watermark: filepath.Join(dir, "watermark.png"),
		opening:   filepath.Join(dir, "opening.mp4"),
		closing:   filepath.Join(dir, "closing.mp4"),
	}
}

func (e *Encoder) artworkKey(ctx context.Context) (string, error) {
	version, err := e.tools.Version(ctx)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	for _, part := range []string{
		revision, version, strings.Join(e.config.cardArgs("", ""), " "), fmt.Sprint(e.config.Width, e.config.Height),
		fmt.Sprint(openingCard(), closingCard()), string(logoSVG), string(cardSVG),
	} {
		fmt.Fprintf(h, "%d %s\n", len(part), part)
	}
	return hex.EncodeToString(h.Sum(nil)[:12]), nil
}

// loadArtwork checks what dir holds as strictly as a finished video.
func (e *Encoder) loadArtwork(ctx context.Context, dir string) (artwork, error) {
	art := artworkIn(dir)
	if _, err := os.Stat(art.watermark); err != nil {
		return artwork{}, fmt.Errorf("find watermark: %w", err)
	}
	want := e.config.expect(e.config.frames(e.config.CardLength))
	var hashes []string
	for _, path := range []string{art.opening, art.closing} {
		info, err := e.tools.Probe(ctx, path, []string{"mov"})
		if err != nil {
			return artwork{}, fmt.Errorf("look at card: %w", err)
		}
		if err := want.matches(info); err != nil {
			return artwork{}, fmt.Errorf("card %s: %w", filepath.Base(path), err)
		}
		hashes = append(hashes, info.Streams[0].ExtradataHash)
	}
	if hashes[0] == hashes[1] { // else none matches a body, and the join encodes
		art.extradata = hashes[0]
	}
	return art, nil
}

// renderArtwork fills a folder beside dir and then gives it that name, so that
// nobody sees half of it.
func (e *Encoder) renderArtwork(ctx context.Context, dir string) error {
	made, err := os.MkdirTemp(e.cache, "making-*")
	if err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	defer os.RemoveAll(made)
	art := artworkIn(made)
	mark, err := drawWatermark(e.config.Height)
	if err != nil {
		return err
	}
	data, err := encodePNG(mark)
	if err != nil {
		return err
	}
	if err := os.WriteFile(art.watermark, data, 0o600); err != nil {
		return fmt.Errorf("write watermark: %w", err)
	}
	if err := e.renderCard(ctx, openingCard(), art.opening); err != nil {
		return err
	}
	if err := e.renderCard(ctx, closingCard(), art.closing); err != nil {
		return err
	}
	return replaceFolder(made, dir)
}

// replaceFolder renames made to dir. What is there was found bad, unless
// another process has just put its own there: either is as good as ours.
func replaceFolder(made, dir string) error {
	err := os.Rename(made, dir)
	if err == nil || !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove bad cards: %w", err)
	}
	if err := os.Rename(made, dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

func (e *Encoder) renderCard(ctx context.Context, c card, out string) error {
	picture, err := drawCard(c, e.config.Width, e.config.Height)
	if err != nil {
		return fmt.Errorf("draw card: %w", err)
	}
	data, err := encodePNG(picture)
	if err != nil {
		return err
	}
	still := strings.TrimSuffix(out, ".mp4") + ".png"
	if err := os.WriteFile(still, data, 0o600); err != nil {
		return fmt.Errorf("write card: %w", err)
	}
	args := e.config.cardArgs(still, out)
	if _, err := e.tools.Run(ctx, ffmpeg.Command{Args: args, Dir: filepath.Dir(out)}); err != nil {
		return fmt.Errorf("encode card: %w", err)
	}
	return nil
}

// cardArgs make a card of a still picture, with a fade at either end.
func (c EncoderConfig) cardArgs(picture, out string) []string {
	frames := c.frames(c.CardLength)
	fade := max(1, frames/6)
	filter := fmt.Sprintf("scale=out_color_matrix=bt709:out_range=tv,format=yuv420p,fade=in:0:%d,fade=out:%d:%d,setsar=1,%s",
		fade, frames-fade, fade, bt709)
	args := []string{"-protocol_whitelist", "file", "-f", "image2", "-loop", "1", "-framerate", strconv.Itoa(c.FPS), "-i", picture,
		"-vf", filter, "-frames:v", strconv.FormatInt(frames, 10)}
	args = append(args, c.encoding()...)
	return append(args, "-y", out)
}

// watermarkFilter lays the second input over the first, a body of so many
// frames.
func (c EncoderConfig) watermarkFilter(_ int64) string {
	margin := c.Height / 30
	return fmt.Sprintf("overlay=W-w-%d:%d", margin, margin)
}
