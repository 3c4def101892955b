package processing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"anb/platform/ffmpeg"
)

// playerOpening is the name of a job's own opening card.
const playerOpening = "opening.mp4"

// openingFor returns the opening card of a job: one with the player's name and
// city, made in the job's folder, if the configuration asks for it, else the
// one that all share. Whatever prevents the former leads to the latter; the
// only error is the end of ctx. art are the cards that the body will be joined
// with: the result has their parameter sets.
//
// The name reaches neither arguments nor filters, only pixels.
func (e *Encoder) openingFor(ctx context.Context, j Job, art artwork) (string, error) {
	if !e.config.PlayerCard {
		return art.opening, nil
	}
	path, err := e.playerCard(ctx, j, art)
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case err != nil:
		e.log.WarnContext(ctx, "player's card not made, using the common one", slog.Any("error", err))
		return art.opening, nil
	case path == "":
		return art.opening, nil
	}
	return path, nil
}

// playerCard returns "" when there is no name that can be shown.
func (e *Encoder) playerCard(ctx context.Context, j Job, art artwork) (string, error) {
	c := openingCard()
	var err error
	if c.player, err = legible(j.Player); err != nil || c.player == "" {
		return "", err
	}
	if c.city, err = legible(j.City); err != nil {
		return "", err
	}
	layers, err := e.config.stage().compose(c, art.look.opening[:groundLayers])
	if err != nil {
		return "", fmt.Errorf("draw player's card: %w", err)
	}
	out := filepath.Join(j.Dir, playerOpening)
	if err := e.renderCard(ctx, e.runner(j), layers, j.Dir, out); err != nil {
		return "", errors.Join(err, removed(out))
	}
	info, err := e.checkCard(ctx, out)
	if err == nil && info.ExtradataHash != art.extradata {
		err = errors.New("player's card has other parameter sets")
	}
	if err != nil {
		return "", errors.Join(err, removed(out))
	}
	return out, nil
}

// checkCard looks at a card as strictly as at a finished video.
func (e *Encoder) checkCard(ctx context.Context, path string) (ffmpeg.Stream, error) {
	info, err := e.tools.Probe(ctx, path, []string{"mov"})
	if err != nil {
		return ffmpeg.Stream{}, fmt.Errorf("look at card: %w", err)
	}
	if err := e.config.expect(e.config.frames(e.config.CardLength)).matches(info); err != nil {
		return ffmpeg.Stream{}, fmt.Errorf("card %s: %w", filepath.Base(path), err)
	}
	return info.Streams[0], nil
}

// removed makes sure that there is no file at path.
func removed(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove bad card: %w", err)
	}
	return nil
}
