// Package videos holds the players' clips: upload, one's own list, deletion,
// and what the public sees of the processed ones.
package videos

import (
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"anb/platform/cache"
	"anb/platform/database"
	"anb/platform/storage"
)

// Config limits uploads and shapes addresses.
type Config struct {
	MaxBytes    int64         // of a file
	Formats     []string      // accepted file name extensions without the dot
	OriginalTTL time.Duration // how long a signed address of an original is valid
	// RepeatWindow is how long after an upload the same file of the same player
	// is taken for the same upload; 0: never.
	RepeatWindow time.Duration
	// PerPlayer is how many uploads of one account are received at once by this
	// process, AtOnce how many of all; 0: any number.
	PerPlayer, AtOnce int
	// Reserve is how many bytes of the originals' disk uploads leave free; 0: none.
	Reserve int64
}

// formats are the extensions that can be accepted, with their media types.
var formats = map[string]string{"mp4": "video/mp4", "mov": "video/quicktime", "webm": "video/webm"}

// Deps are what the module needs; all are required.
type Deps struct {
	DB        *database.DB
	Originals storage.Store
	Processed storage.Store
	Inspector Inspector
	Queue     Queue
	// Reason gives the Spanish sentence for a failure's stable code.
	Reason func(code string) string
	// Public caches public reads; writers in other modules expire it.
	Public *cache.Cache
	// SigningKey signs addresses of originals; at least 32 bytes.
	SigningKey []byte
	// PublicURL precedes addresses in answers; empty for relative ones.
	PublicURL   string
	Require     echo.MiddlewareFunc // refuses anonymous requests
	Now         func() time.Time
	Log         *slog.Logger
	Metrics     prometheus.Registerer
	ReadTimeout time.Duration // for each chunk of an upload
	MinRate     int64         // bytes a second that an upload must bring; 0: any
	SendTimeout time.Duration // for each chunk of a download or stream
	Config      Config
}

// Module is the part of the module that serves requests.
type Module struct {
	*service
	http handler
}

// New wires the module; it fails when a dependency is missing.
func New(d Deps) (*Module, error) {
	switch {
	case d.DB == nil, d.Originals == nil, d.Processed == nil, d.Inspector == nil, d.Queue == nil, d.Reason == nil,
		d.Public == nil, d.Require == nil, d.Now == nil, d.Log == nil, d.Metrics == nil, d.ReadTimeout <= 0, d.SendTimeout <= 0:
		return nil, errors.New("videos: a dependency is missing")
	case len(d.SigningKey) < 32:
		return nil, errors.New("videos: the signing key has fewer than 32 bytes")
	case d.Config.MaxBytes <= 0, d.Config.OriginalTTL <= 0, len(d.Config.Formats) == 0:
		return nil, errors.New("videos: the configuration lacks a limit")
	}
	d.Config.Formats = slices.Clone(d.Config.Formats)
	m, err := newMeasures(d.Metrics)
	if err != nil {
		return nil, err
	}
	s := &service{Deps: d, store: store{d.DB}, measures: m, slots: newSlots(d.Config.PerPlayer, d.Config.AtOnce)}
	return &Module{service: s, http: handler{s}}, nil
}
