package app

import (
	"context"
	"io"

	"anb/cmd/internal/backup"
)

func (a *App) platform() backup.Platform {
	return backup.Platform{DB: a.db, Originals: a.originals, Processed: a.processed, Version: a.version, Log: a.log}
}

// Backup writes an archive of the database and the files to w, while everything
// else goes on; see backup.Platform.Save.
func (a *App) Backup(ctx context.Context, w io.Writer) (backup.Summary, error) {
	return a.platform().Save(ctx, w)
}

// Restore waits until the database answers and reads an archive into it and the
// storage, which must be empty; see backup.Platform.Load.
func (a *App) Restore(ctx context.Context, r io.Reader) (backup.Summary, error) {
	if err := WaitFor(ctx, a.log, "database", a.db.Ping); err != nil {
		return backup.Summary{}, err
	}
	return a.platform().Load(ctx, r)
}
