package app

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"anb/modules/auth"
	"anb/modules/processing"
	"anb/modules/rankings"
	"anb/modules/videos"
	"anb/platform/audit"
	"anb/platform/cache"
	"anb/platform/storage"
)

func (a *App) janitor(catalog *videos.Catalog) processing.Janitor {
	return processing.Janitor{
		DB:     a.db,
		Places: []processing.Place{{Store: a.originals, Known: catalog.KnownOriginals}, {Store: a.processed, Known: catalog.KnownProcessed}},
		Grace:  a.config.Processing.Grace, Now: time.Now, Log: a.log,
	}
}

// Tidied is what Tidy removed, or would have.
type Tidied struct {
	processing.Tidied
	Sessions int64 // expired
}

// Tidy does once what serve and work do from time to time: remove files
// without rows, what dead processes staged, and expired sessions. A dry run
// removes nothing. Without force it fails with processing.ErrRestored when the
// database looks restored from an older backup.
func (a *App) Tidy(ctx context.Context, dryRun, force bool) (t Tidied, err error) {
	j := a.janitor(videos.NewCatalog(a.db, cache.New(publicCacheAge, 1, time.Now), time.Now))
	j.DryRun, j.Force = dryRun, force
	if t.Tidied, err = j.Clean(ctx); err != nil || dryRun {
		return t, err
	}
	t.Sessions, err = auth.SweepSessions(ctx, a.db)
	return t, err
}

// Audit reports everything that contradicts itself, changes nothing, and
// returns how many videos it looked at. quick leaves contents of files out.
func (a *App) Audit(ctx context.Context, quick bool, report audit.Report) (looked int, err error) {
	looked, err = videos.Auditor{DB: a.db, Originals: a.originals, Processed: a.processed, Quick: quick}.Audit(ctx, report)
	if err != nil {
		return looked, err
	}
	j := a.janitor(videos.NewCatalog(a.db, cache.New(publicCacheAge, 1, time.Now), time.Now))
	j.DryRun, j.Log = true, slog.New(slog.DiscardHandler)
	j.Found = func(i storage.Info) {
		report(audit.Finding{Check: "file", Subject: i.Key, Detail: "no row refers to it; see: anb janitor --dry-run"})
	}
	_, err = j.Clean(ctx)
	if errors.Is(err, processing.ErrRestored) {
		report(audit.Finding{Check: "database", Subject: "of videos", Detail: err.Error()})
		j.Force = true
		_, err = j.Clean(ctx)
	}
	return looked, errors.Join(err,
		rankings.Audit(ctx, a.db, report), processing.Audit(ctx, a.db, time.Now(), report),
		processing.AuditProcesses(a.config.Processing.WorkDir, report))
}

// Repair mends what Audit names and what has only one right end, while
// everything else goes on, and tells of each: counters, jobs, and the leases of
// dead workers. It neither reads nor touches files and removes no rows. It ends
// with the first error; what was told is done.
func (a *App) Repair(ctx context.Context, done audit.Report) error {
	if err := rankings.Repair(ctx, a.db, done); err != nil {
		return err
	}
	return processing.Repairer{
		DB: a.db, Videos: videos.NewCatalog(a.db, cache.New(publicCacheAge, 1, time.Now), time.Now),
		Config: a.config.Processing, Now: time.Now, Log: a.log,
	}.Repair(ctx, done)
}
