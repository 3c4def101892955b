package videos

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"anb/platform/database"
	"anb/platform/textkey"
)

// epoch is when the first video of a test was uploaded.
var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// player is an account with what its videos copy.
type player struct {
	id   uuid.UUID
	name string
	city string
}

func addPlayer(t *testing.T, d *database.DB, first, last, city string) player {
	t.Helper()
	return player{addUser(t, d, first, last, city), first + " " + last, city}
}

// clip is a published video of p, uploaded n minutes after epoch.
func clip(p player, title string, n int, votes int64) row {
	id := uuid.Must(uuid.NewV7())
	at := database.At(epoch.Add(time.Duration(n) * time.Minute))
	video, poster := id.String()+".mp4", id.String()+".jpg"
	return row{
		ID: id, UserID: p.id, Title: title, Status: Processed, CityKey: textkey.Fold(p.city), SearchKey: searchKey(title, p.name),
		OriginalKey: "o-" + video, UploadedAt: at, ProcessedAt: &at, ProcessedKey: &video, ThumbnailKey: &poster, VoteCount: votes,
	}
}

// unpublished is clip in another state.
func unpublished(p player, title string, n int, s Status) row {
	r := clip(p, title, n, 0)
	r.Status, r.ProcessedAt, r.ProcessedKey, r.ThumbnailKey = s, nil, nil, nil
	if s == Failed {
		code := "TRUNCATED"
		r.FailureCode = &code
	}
	return r
}

func add(t *testing.T, d *database.DB, rows ...row) {
	t.Helper()
	require.NoError(t, d.Write(t.Context()).CreateInBatches(&rows, 50).Error)
}

// many makes n clips of p with equal votes.
func many(p player, n int, votes int64) []row {
	rows := make([]row, n)
	for i := range rows {
		rows[i] = clip(p, fmt.Sprintf("Jugada %05d", i), i, votes)
	}
	return rows
}
