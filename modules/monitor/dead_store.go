package monitor

import (
	"context"

	"github.com/google/uuid"

	"anb/platform/database"
)

type groupRow struct {
	Fingerprint string
	Reason      string
	N           int64
	First       *database.Time
	Last        *database.Time
	Sample      string
	Workers     int64
	Players     int64
	OldVersion  string
	NewVersion  string
}

// groups lists the dead-letter list by fingerprint, latest first. Jobs that an
// older version let die have none and go by their reason.
func (s store) groups(ctx context.Context) ([]Group, error) {
	var rows []groupRow
	err := s.db.Read(ctx).Raw(`SELECT fingerprint, reason, count(*) AS n, min(finished_at) AS first, max(finished_at) AS last,
			max(id) AS sample, count(DISTINCT worker) AS workers, count(DISTINCT player) AS players,
			coalesce(min(version), '') AS old_version, coalesce(max(version), '') AS new_version
		FROM (SELECT j.fingerprint, j.reason, j.finished_at, CAST(j.id AS text) AS id, j.worker,
				(SELECT v.user_id FROM videos v WHERE v.id = j.video_id) AS player, (SELECT w.version FROM workers w WHERE w.id = j.worker) AS version
			FROM jobs j WHERE j.state = 'dead' AND j.discarded_at IS NULL) d
		GROUP BY fingerprint, reason ORDER BY last DESC LIMIT ?`, maxGroups).Scan(&rows).Error
	if err != nil {
		return nil, err
	}
	out := make([]Group, len(rows))
	for i, r := range rows {
		out[i] = Group{
			Fingerprint: r.Fingerprint, Reason: r.Reason, Count: r.N, First: moment(r.First), Last: moment(r.Last),
			Workers: r.Workers, Players: r.Players, OldVersion: r.OldVersion, NewVersion: r.NewVersion,
		}
		if r.Fingerprint == "" {
			out[i].Fingerprint = r.Reason
		}
		if out[i].Sample, err = uuid.Parse(r.Sample); err != nil {
			return nil, err
		}
	}
	return out, nil
}

type deadCount struct {
	Queue string
	N     int64
}

// dead counts the dead-letter list by queue.
func (s store) dead(ctx context.Context) (out []deadCount, err error) {
	err = s.db.Read(ctx).Raw("SELECT queue, count(*) AS n FROM jobs WHERE state = 'dead' AND discarded_at IS NULL GROUP BY queue").Scan(&out).Error
	return out, err
}
