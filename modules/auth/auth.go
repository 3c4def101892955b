// Package auth knows who people are: sign-up, login, sessions, one's own
// profile and password, and the middleware that says who is calling.
package auth

import (
	"errors"
	"log/slog"
	"time"

	"anb/platform/database"
	"anb/platform/passwords"
)

// The longest life that a token may be given; see also Config.
const maxTokenTTL = 30 * 24 * time.Hour

// Config shapes tokens and password hashes.
type Config struct {
	JWTSecret      string        `mapstructure:"jwt_secret"`      // signs tokens; at least 32 bytes; a secret
	TokenTTL       time.Duration `mapstructure:"token_ttl"`       // life of a token, whole seconds
	Issuer         string        `mapstructure:"issuer"`          // a token's iss
	Audience       string        `mapstructure:"audience"`        // a token's aud
	HashMemory     uint32        `mapstructure:"hash_memory"`     // KiB that one password hash uses
	HashIterations uint32        `mapstructure:"hash_iterations"` // passes over that memory
	HashParallel   int           `mapstructure:"hash_parallel"`   // hashes at once; near the number of cores
	HashWait       time.Duration `mapstructure:"hash_wait"`       // for a turn to hash; longer is 503
}

// Validate reports every problem at once.
func (c Config) Validate() error {
	var errs []error
	refuse := func(bad bool, problem string) {
		if bad {
			errs = append(errs, errors.New(problem))
		}
	}
	refuse(len(c.JWTSecret) < 32, "auth.jwt_secret needs at least 32 bytes; set ANB_AUTH_JWT_SECRET")
	refuse(c.TokenTTL < time.Second || c.TokenTTL > maxTokenTTL || c.TokenTTL%time.Second != 0,
		"auth.token_ttl must be whole seconds between 1s and 720h (ANB_AUTH_TOKEN_TTL)")
	refuse(c.Issuer == "", "auth.issuer is empty (ANB_AUTH_ISSUER)")
	refuse(c.Audience == "", "auth.audience is empty (ANB_AUTH_AUDIENCE)")
	refuse(c.HashMemory < 8 || c.HashMemory > passwords.MaxMemory,
		"auth.hash_memory must be between 8 and 1048576 KiB (ANB_AUTH_HASH_MEMORY)")
	refuse(c.HashIterations < 1 || c.HashIterations > passwords.MaxIterations,
		"auth.hash_iterations must be between 1 and 16 (ANB_AUTH_HASH_ITERATIONS)")
	refuse(c.HashParallel < 1, "auth.hash_parallel must be at least 1 (ANB_AUTH_HASH_PARALLEL)")
	refuse(c.HashWait <= 0, "auth.hash_wait must be positive, such as 5s (ANB_AUTH_HASH_WAIT)")
	return errors.Join(errs...)
}

// Deps are what the module needs; all are required.
type Deps struct {
	DB        *database.DB
	Directory Directory
	Config    Config
	Now       func() time.Time // time.Now in production
	Log       *slog.Logger
}

// Module is the auth module. It is safe for concurrent use.
type Module struct {
	store     store
	directory Directory
	hashes    hashes
	tokens    *tokens
	now       func() time.Time
	log       *slog.Logger
}

// New wires the module; it fails when a dependency is missing or the
// configuration is not valid.
func New(d Deps) (*Module, error) {
	if d.DB == nil || d.Directory == nil || d.Now == nil || d.Log == nil {
		return nil, errors.New("auth: a dependency is missing")
	}
	if err := d.Config.Validate(); err != nil {
		return nil, err
	}
	return &Module{
		store:     store{d.DB},
		directory: d.Directory,
		hashes: passwords.New(passwords.Config{
			Cost:     passwords.Cost{Memory: d.Config.HashMemory, Iterations: d.Config.HashIterations, Lanes: 1},
			Parallel: d.Config.HashParallel, Wait: d.Config.HashWait,
		}),
		tokens: newTokens(d.Config, d.Now),
		now:    d.Now,
		log:    d.Log,
	}, nil
}
