package monitor

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"anb/platform/database"
)

type attemptRow struct {
	JobID        uuid.UUID
	Fence        int64
	Attempt      int
	Worker       string
	StartedAt    database.Time
	FinishedAt   *database.Time
	Outcome      string
	Reason       string
	Error        string
	ExitCode     *int
	Signal       string
	StderrTail   string
	DecodeErrors int
	Codec        string
	Commands     string
	Stages       string
}

func (r attemptRow) attempt() Attempt {
	a := Attempt{
		Fence: r.Fence, Attempt: r.Attempt, Worker: r.Worker, StartedAt: r.StartedAt.Time, FinishedAt: moment(r.FinishedAt), Outcome: r.Outcome,
		Reason: r.Reason, Error: r.Error, Signal: r.Signal, Tail: r.StderrTail, DecodeErrors: r.DecodeErrors, Codec: r.Codec, Commands: r.Commands,
	}
	a.Stages = stagesOf(r.Stages, a.FinishedAt.Sub(a.StartedAt))
	if r.ExitCode != nil {
		a.ExitCode = *r.ExitCode
	}
	return a
}

// attempts lists those of some jobs, oldest first, at most a hundred each.
func (s store) attempts(ctx context.Context, ids []string) (rows []attemptRow, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	err = s.db.Read(ctx).Raw("SELECT * FROM job_attempts WHERE job_id IN ? ORDER BY job_id, fence DESC LIMIT ?", ids, 100*len(ids)).Scan(&rows).Error
	return rows, err
}

// stagesOf reads what the worker wrote: "probe 0,encode 412". took is how long
// the attempt was; what is not above zero means that it runs.
func stagesOf(text string, took time.Duration) (out []Stage) {
	took = max(0, took) // an attempt that runs has ended in the year 1
	for _, part := range split(text) {
		name, ms, _ := strings.Cut(part, " ")
		n, err := strconv.ParseInt(ms, 10, 64)
		if err != nil {
			return out
		}
		began := time.Duration(n) * time.Millisecond
		if last := len(out) - 1; last >= 0 {
			out[last].Took = began - out[last].Began
		}
		out = append(out, Stage{Name: name, Began: began, Took: max(0, took-began)})
	}
	return out
}

type videoRow struct {
	ID              uuid.UUID
	Status          string
	FailureCode     *string
	UploadedAt      database.Time
	StartMS         int64 `gorm:"column:start_ms"`
	OriginalKey     string
	OriginalBytes   int64
	OriginalSHA256  string  `gorm:"column:original_sha256"`
	OriginalMS      *int64  `gorm:"column:original_ms"`
	OriginalWidth   *int    `gorm:"column:original_width"`
	OriginalHeight  *int    `gorm:"column:original_height"`
	OriginalCodec   *string `gorm:"column:original_codec"`
	ProcessedKey    *string
	ProcessedBytes  *int64
	ProcessedSHA256 *string `gorm:"column:processed_sha256"`
	ProcessedMS     *int64  `gorm:"column:processed_ms"`
	ProcessedWidth  *int
	ProcessedHeight *int
	UserID          uuid.UUID
	Name            string
	Email           string
	City            string
}

func (s store) videos(ctx context.Context, ids []string) (rows []videoRow, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	err = s.db.Read(ctx).Raw(`SELECT v.*, u.first_name || ' ' || u.last_name AS name, u.email, u.city
		FROM videos v JOIN users u ON u.id = v.user_id WHERE v.id IN ?`, ids).Scan(&rows).Error
	return rows, err
}

// describe puts what is known of the video into d.
func (v videoRow) describe(d *Detail) {
	d.Video = VideoState{Status: v.Status, FailureCode: text(v.FailureCode), UploadedAt: v.UploadedAt.Time, Start: time.Duration(v.StartMS) * time.Millisecond}
	d.Original = File{
		Key: v.OriginalKey, Bytes: v.OriginalBytes, SHA256: v.OriginalSHA256, Length: millis(v.OriginalMS),
		Width: number(v.OriginalWidth), Height: number(v.OriginalHeight), Codec: text(v.OriginalCodec),
	}
	d.Result = File{
		Key: text(v.ProcessedKey), Bytes: number(v.ProcessedBytes), SHA256: text(v.ProcessedSHA256), Length: millis(v.ProcessedMS),
		Width: number(v.ProcessedWidth), Height: number(v.ProcessedHeight),
	}
	d.Player = Player{ID: v.UserID, Name: v.Name, Email: v.Email, City: v.City}
}

func millis(n *int64) time.Duration { return time.Duration(number(n)) * time.Millisecond }

func number[T int | int64](n *T) T {
	if n == nil {
		return 0
	}
	return *n
}

// details reads all about some jobs, with three statements for any number.
func (s store) details(ctx context.Context, ids []string, now time.Time) (map[string]Detail, error) {
	rows, err := s.byID(ctx, ids)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	out := make(map[string]Detail, len(rows))
	var videos []string
	for _, r := range rows {
		out[r.ID.String()] = Detail{Job: s.job(r, now)}
		videos = append(videos, r.VideoID.String())
	}
	attempts, err := s.attempts(ctx, ids)
	if err != nil {
		return nil, err
	}
	for i := len(attempts) - 1; i >= 0; i-- {
		id := attempts[i].JobID.String()
		d := out[id]
		d.Attempts = append(d.Attempts, attempts[i].attempt())
		out[id] = d
	}
	found, err := s.videos(ctx, videos)
	if err != nil {
		return nil, err
	}
	of := map[uuid.UUID]videoRow{}
	for _, v := range found {
		of[v.ID] = v
	}
	for id, d := range out {
		if v, ok := of[d.VideoID]; ok {
			v.describe(&d)
		}
		if n := len(d.Attempts); n > 0 {
			d.Result.Codec = d.Attempts[n-1].Codec
		}
		d.Payload = payload(d)
		out[id] = d
	}
	return out, nil
}

// beside returns the jobs before and after one in a list's order, nil where
// there is none.
func (s store) beside(ctx context.Context, id uuid.UUID) (newer, older *uuid.UUID, err error) {
	for _, q := range []struct {
		sql  string
		into **uuid.UUID
	}{
		{"SELECT id FROM jobs WHERE id > ? ORDER BY id LIMIT 1", &newer},
		{"SELECT id FROM jobs WHERE id < ? ORDER BY id DESC LIMIT 1", &older},
	} {
		var row struct{ ID uuid.UUID }
		err := s.db.Read(ctx).Raw(q.sql, id).Take(&row).Error
		if err == nil {
			*q.into = &row.ID
		} else if !errors.Is(err, gorm.ErrRecordNotFound) {
			return nil, nil, err
		}
	}
	return newer, older, nil
}
