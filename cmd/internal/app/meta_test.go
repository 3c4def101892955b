package app

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"anb/db"
	"anb/db/dbtest"
	"anb/platform/storage"
	"anb/platform/taskbus/redistest"
)

// full is a store without room.
type full struct{ storage.Store }

func (full) Check(context.Context) error { return fmt.Errorf("probe: %w", storage.ErrFull) }

// tight is a store with hardly any room.
type tight struct{ storage.Store }

func (tight) Free(context.Context) (uint64, bool, error) { return 1, true, nil }

// refusing is a bucket that does not want us.
type refusing struct{ storage.Store }

func (refusing) Check(context.Context) error { return fmt.Errorf("check: %w", storage.ErrRefused) }

func TestReadyz_TellsWhatIsAway(t *testing.T) {
	t.Parallel()
	// what is not named is ok
	tests := map[string]struct {
		set    func(t *testing.T) (database string, env []string)
		before func(t *testing.T, a *App)
		status int
		want   readyResponse
	}{
		"everything is there": {
			set: func(t *testing.T) (string, []string) {
				return dbtest.PostgresURL(t, true), []string{"ANB_REDIS_URL=" + redistest.Start(t).URL()}
			},
			status: 200, want: readyResponse{Status: "ready"},
		},
		"the database is away": {
			set:    func(t *testing.T) (string, []string) { return "postgres://u:hush@" + nobody(t) + "/x", nil },
			status: 503, want: readyResponse{Status: "unavailable", Checks: map[string]check{"database": {Status: "unavailable"}, "bus": {Status: "degraded"}}},
		},
		"the bus is away": {
			set:    func(t *testing.T) (string, []string) { return dbtest.PostgresURL(t, true), nil },
			status: 200, want: readyResponse{Status: "degraded", Checks: map[string]check{"bus": {Status: "degraded"}}},
		},
		"the schema is old": {
			set:    func(t *testing.T) (string, []string) { return dbtest.PostgresURL(t, false), nil },
			status: 503, want: readyResponse{Status: "unavailable", Checks: map[string]check{"schema": {Status: "unavailable"}, "bus": {Status: "degraded"}}},
		},
		"the disk is nearly full": {
			set: func(t *testing.T) (string, []string) {
				return dbtest.PostgresURL(t, true), []string{"ANB_UPLOAD_MAX_BYTES=1000000000000000000"}
			},
			status: 200, want: readyResponse{Status: "degraded", Checks: map[string]check{"disk": {Status: "degraded"}, "bus": {Status: "degraded"}}},
		},
		"the disk of published files is nearly full": {
			set:    func(t *testing.T) (string, []string) { return dbtest.PostgresURL(t, true), nil },
			before: func(_ *testing.T, a *App) { a.processed = tight{a.processed} },
			status: 200, want: readyResponse{Status: "degraded", Checks: map[string]check{"disk": {Status: "degraded"}, "bus": {Status: "degraded"}}},
		},
		"the storage refuses us": {
			set:    func(t *testing.T) (string, []string) { return dbtest.PostgresURL(t, true), nil },
			before: func(_ *testing.T, a *App) { a.processed = refusing{a.processed} },
			status: 503, want: readyResponse{Status: "unavailable", Checks: map[string]check{"processed": {Status: "unavailable"}, "bus": {Status: "degraded"}}},
		},
		"the storage is gone": {
			set:    func(t *testing.T) (string, []string) { return dbtest.PostgresURL(t, true), nil },
			before: func(t *testing.T, a *App) { require.NoError(t, os.RemoveAll(a.config.Storage.Originals)) },
			status: 503, want: readyResponse{Status: "unavailable", Checks: map[string]check{"originals": {Status: "unavailable"}, "bus": {Status: "degraded"}}},
		},
		"the storage is full": {
			set:    func(t *testing.T) (string, []string) { return dbtest.PostgresURL(t, true), nil },
			before: func(_ *testing.T, a *App) { a.originals = full{a.originals} },
			status: 200, want: readyResponse{Status: "degraded", Checks: map[string]check{"originals": {Status: "degraded"}, "bus": {Status: "degraded"}}},
		},
		"the server stops": {
			set:    func(t *testing.T) (string, []string) { return "sqlite:" + filepath.Join(t.TempDir(), "x.db"), nil },
			before: func(_ *testing.T, a *App) { a.gate.Close() },
			status: 503, want: readyResponse{Status: "unavailable", Checks: map[string]check{"shutdown": {Status: "unavailable"}}},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, env := tt.set(t)
			a, e := open(t, url, env...)
			if tt.before != nil {
				tt.before(t, a)
			}
			w := get(t, e, "/readyz", "")
			require.Equal(t, tt.status, w.Code, w.Body.String())
			require.Equal(t, tt.status == 503, w.Header().Get("Retry-After") != "")
			require.NotContains(t, w.Body.String(), "hush")
			require.NotContains(t, w.Body.String(), "127.0.0.1")
			var got readyResponse
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), &got))
			require.Equal(t, tt.want.Status, got.Status)
			for check, c := range got.Checks {
				want := tt.want.Checks[check].Status
				if want == "" {
					want = "ok"
				}
				require.Equal(t, want, c.Status, check)
				require.Equal(t, want != "ok", c.Detail != "")
			}
			for check := range tt.want.Checks {
				require.Contains(t, got.Checks, check)
			}
			require.Equal(t, 200, get(t, e, "/health", "").Code, "alive, whatever is away")
		})
	}
}

func TestReady_FailsAtOnceOnAnOldSchema(t *testing.T) {
	t.Parallel()
	a, _ := open(t, dbtest.PostgresURL(t, false))
	require.ErrorIs(t, a.Ready(t.Context()), db.ErrOldSchema)
}

func TestReady_FailsAtOnceOnAStorageThatRefusesAndNotOnOneThatIsAway(t *testing.T) {
	t.Parallel()
	a, _ := open(t, dbtest.PostgresURL(t, true))
	a.originals = refusing{a.originals}
	err := a.Ready(t.Context())
	require.ErrorIs(t, err, storage.ErrRefused)
	require.ErrorContains(t, err, "storage.originals")
	a.originals = full{a.originals}
	require.NoError(t, a.Ready(t.Context()))
	a.originals, a.processed = nil, nil
	require.NoError(t, a.Ready(t.Context()), "the dashboard has none")
}

func TestOpen_ClosesWhatItOpenedWhenItFails(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	c, _, err := load(t, "", testSecret, "ANB_STORAGE_ORIGINALS="+filepath.Join(t.TempDir(), "o"), "ANB_STORAGE_PROCESSED="+file)
	require.NoError(t, err)
	_, err = Open(t.Context(), c, "", slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, "processed")
}

func TestIndex_IsAPageOrLinks(t *testing.T) {
	t.Parallel()
	_, e := open(t, "sqlite:"+filepath.Join(t.TempDir(), "x.db"))
	page := get(t, e, "/", "text/html")
	require.Contains(t, page.Header().Get("Content-Type"), "text/html")
	require.Equal(t, "Accept", page.Header().Get("Vary"))
	links := get(t, e, "/", "application/json")
	var got indexResponse
	require.NoError(t, json.Unmarshal(links.Body.Bytes(), &got))
	require.Equal(t, "1.2.3", got.Version)
	for name, path := range got.Links {
		code := get(t, e, path, "").Code
		require.True(t, code == 200 || code == 500 && (name == "videos" || name == "rankings"), "%s: %d", path, code) // no schema here
	}
	require.Equal(t, "ok", get(t, e, "/api/health", "").Body.String())
}
