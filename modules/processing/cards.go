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
	look                        *look
}

// revision changes when the drawing code does, so that old cards are not used.
const revision = "2"

// Prepare draws the watermark and renders the two cards, unless a folder of
// the cache holds them already. The folder's name is a hash of all they depend
// on: the build of ffmpeg, its arguments, every drawn pixel. It is cheap when
// there is nothing to do, may be called any number of times, and several
// processes may share the cache.
func (e *Encoder) Prepare(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ready != nil && e.ready.exists() {
		return nil
	}
	look, err := e.config.drawLook()
	if err != nil {
		return fmt.Errorf("draw cards: %w", err)
	}
	key, err := e.artworkKey(ctx, look)
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
		if err := e.renderArtwork(ctx, look, dir); err != nil {
			return fmt.Errorf("render cards: %w", err)
		}
		if art, err = e.loadArtwork(ctx, dir); err != nil {
			return err
		}
	}
	art.look = &look
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

// look are the drawings of which artwork is made.
type look struct {
	watermark        []byte // PNG
	opening, closing composition
}

func (c EncoderConfig) drawLook() (look, error) {
	mark, err := drawWatermark(c.Height)
	if err != nil {
		return look{}, err
	}
	l := look{}
	if l.watermark, err = encodePNG(mark); err != nil {
		return look{}, err
	}
	if l.opening, err = c.stage().compose(openingCard(), nil); err != nil {
		return look{}, err
	}
	l.closing, err = c.stage().compose(closingCard(), nil)
	return l, err
}

func (e *Encoder) artworkKey(ctx context.Context, l look) (string, error) {
	version, err := e.tools.Version(ctx)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	for _, part := range []string{
		revision, version, fmt.Sprint(e.config.Width, e.config.Height), string(l.watermark),
		strings.Join(e.config.cardArgs(l.opening, "", ""), " "), strings.Join(e.config.cardArgs(l.closing, "", ""), " "),
	} {
		fmt.Fprintf(h, "%d %s\n", len(part), part)
	}
	for _, c := range []composition{l.opening, l.closing} {
		for _, layer := range c {
			h.Write(layer.png)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:12]), nil
}

// loadArtwork checks what dir holds as strictly as a finished video.
func (e *Encoder) loadArtwork(ctx context.Context, dir string) (artwork, error) {
	art := artworkIn(dir)
	if _, err := os.Stat(art.watermark); err != nil {
		return artwork{}, fmt.Errorf("find watermark: %w", err)
	}
	var hashes []string
	for _, path := range []string{art.opening, art.closing} {
		card, err := e.checkCard(ctx, path)
		if err != nil {
			return artwork{}, err
		}
		hashes = append(hashes, card.ExtradataHash)
	}
	if hashes[0] == hashes[1] { // else none matches a body, and the join encodes
		art.extradata = hashes[0]
	}
	return art, nil
}

// renderArtwork fills a folder beside dir and then gives it that name, so that
// nobody sees half of it.
func (e *Encoder) renderArtwork(ctx context.Context, l look, dir string) error {
	made, err := os.MkdirTemp(e.cache, "making-*")
	if err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	defer os.RemoveAll(made)
	art := artworkIn(made)
	if err := os.WriteFile(art.watermark, l.watermark, 0o600); err != nil {
		return fmt.Errorf("write watermark: %w", err)
	}
	if err := e.renderCard(ctx, e.tools.Run, l.opening, made, art.opening); err != nil {
		return err
	}
	if err := e.renderCard(ctx, e.tools.Run, l.closing, made, art.closing); err != nil {
		return err
	}
	return e.replaceFolder(ctx, made, dir)
}

// replaceFolder renames made to dir. What is there was found bad, unless
// another process has put its own there meanwhile, which its jobs may be
// reading: that stays.
func (e *Encoder) replaceFolder(ctx context.Context, made, dir string) error {
	err := os.Rename(made, dir)
	if err == nil || !errors.Is(err, fs.ErrExist) {
		return err
	}
	if _, err := e.loadArtwork(ctx, dir); err == nil {
		return nil
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove bad cards: %w", err)
	}
	if err := os.Rename(made, dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// renderCard encodes a card to out, with its layers as files in dir meanwhile.
func (e *Encoder) renderCard(ctx context.Context, run runner, c composition, dir, out string) error {
	layers, err := os.MkdirTemp(dir, "layers-*")
	if err != nil {
		return fmt.Errorf("make folder of layers: %w", err)
	}
	defer os.RemoveAll(layers)
	for i, l := range c {
		if err := os.WriteFile(layerPath(layers, i), l.png, 0o600); err != nil {
			return fmt.Errorf("write layer: %w", err)
		}
	}
	if _, err := run(ctx, ffmpeg.Command{Args: e.config.cardArgs(c, layers, out), Dir: dir}); err != nil {
		return fmt.Errorf("encode card: %w", err)
	}
	return nil
}

func layerPath(dir string, i int) string { return filepath.Join(dir, fmt.Sprintf("%02d.png", i)) }

// cardArgs make a card of its layers, which lie in dir.
func (c EncoderConfig) cardArgs(layers composition, dir, out string) []string {
	frames := c.frames(c.CardLength)
	args := append([]string{}, c.codec().device...)
	for i := range layers {
		args = append(args, "-threads", "1", "-protocol_whitelist", "file", "-f", "png_pipe", "-framerate", strconv.Itoa(c.FPS), "-i", "file:"+layerPath(dir, i))
	}
	args = append(args, "-filter_complex_threads", "1", "-filter_complex", clock{c.FPS, frames}.filter(layers, c.finish()),
		"-map", "[v]", "-frames:v", strconv.FormatInt(frames, 10))
	args = append(args, c.encoding()...)
	return append(args, "-y", out)
}
