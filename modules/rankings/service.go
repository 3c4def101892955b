package rankings

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"anb/platform/crash"
)

// Vote records one vote of an account for a published video. It fails with
// ErrVideoNotFound, ErrVotingClosed, ErrOwnVideo or ErrAlreadyVoted.
func (m *Module) Vote(ctx context.Context, userID, videoID uuid.UUID) error {
	crash.At(crash.VoteChecked)
	b, err := m.store.vote(ctx, userID, videoID, m.window, m.Config.OwnVideo)
	switch {
	case err != nil:
		return fmt.Errorf("vote for %s: %w", videoID, err)
	case b.Voted:
		crash.At(crash.VoteCounted)
		m.Public.Expire()
		return nil
	case b.Owner == nil:
		return ErrVideoNotFound
	case !b.Open:
		return ErrVotingClosed
	case *b.Owner == userID && !m.Config.OwnVideo:
		return ErrOwnVideo
	default:
		return ErrAlreadyVoted
	}
}

// Voting tells whether votes count now, and the configured window, whose ends
// are nil when open.
func (m *Module) Voting(ctx context.Context) (open bool, opens, closes *time.Time, err error) {
	open, err = m.store.open(ctx, m.window)
	if err != nil {
		return false, nil, nil, fmt.Errorf("voting window: %w", err)
	}
	return open, optional(m.window.Opens), optional(m.window.Closes), nil
}

func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// PlayerChanged keeps the city of a player's total equal to the profile, in
// the transaction that ctx carries.
func (m *Module) PlayerChanged(ctx context.Context, userID uuid.UUID, city string) error {
	if err := m.store.move(ctx, userID, city); err != nil {
		return fmt.Errorf("move player %s: %w", userID, err)
	}
	m.DB.AfterCommit(ctx, func(context.Context) { m.Public.Expire() })
	return nil
}
