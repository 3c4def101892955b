package auth

import (
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

const (
	// maxToken is the length of a token that is looked at, in bytes; ours have
	// about 400.
	maxToken = 8 << 10
	// clockSkew is how far another replica's clock may be ahead of ours.
	clockSkew = 5 * time.Second
)

// claims is the content of a token. Times are whole seconds since 1970, and
// numbers in JSON: the library's own types also read strings and fractions.
type claims struct {
	Issuer    string    `json:"iss"`
	Audience  string    `json:"aud"`
	Subject   uuid.UUID `json:"sub"` // the user
	ID        uuid.UUID `json:"jti"` // the session
	IssuedAt  int64     `json:"iat"`
	NotBefore *int64    `json:"nbf,omitzero"`
	Expires   *int64    `json:"exp"`
}

// UnmarshalJSON reads strictly: names and types must match, and no name may
// come twice.
func (c *claims) UnmarshalJSON(b []byte) error {
	type plain claims
	return json.Unmarshal(b, (*plain)(c))
}

func numericDate(seconds *int64) (*jwt.NumericDate, error) {
	if seconds == nil {
		return nil, nil
	}
	return jwt.NewNumericDate(time.Unix(*seconds, 0)), nil
}

// The methods of jwt.Claims.
func (c *claims) GetExpirationTime() (*jwt.NumericDate, error) { return numericDate(c.Expires) }
func (c *claims) GetNotBefore() (*jwt.NumericDate, error)      { return numericDate(c.NotBefore) }
func (c *claims) GetIssuedAt() (*jwt.NumericDate, error)       { return numericDate(&c.IssuedAt) }
func (c *claims) GetIssuer() (string, error)                   { return c.Issuer, nil }
func (c *claims) GetSubject() (string, error)                  { return c.Subject.String(), nil }
func (c *claims) GetAudience() (jwt.ClaimStrings, error)       { return jwt.ClaimStrings{c.Audience}, nil }

// tokens makes and reads JWTs, HS256 only.
type tokens struct {
	secret           []byte
	issuer, audience string
	ttl              time.Duration
	now              func() time.Time
	parser           *jwt.Parser
}

func newTokens(c Config, now func() time.Time) *tokens {
	return &tokens{
		secret: []byte(c.JWTSecret), issuer: c.Issuer, audience: c.Audience, ttl: c.TokenTTL, now: now,
		parser: jwt.NewParser(
			jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
			jwt.WithStrictDecoding(),
			jwt.WithExpirationRequired(),
			jwt.WithIssuer(c.Issuer),
			jwt.WithAudience(c.Audience),
			jwt.WithTimeFunc(now),
		),
	}
}

// issue returns a token for a session of a user that lives for t.ttl.
func (t *tokens) issue(userID, sessionID uuid.UUID) (string, error) {
	issued := t.now().Unix()
	expires := issued + int64(t.ttl/time.Second)
	return jwt.NewWithClaims(jwt.SigningMethodHS256, &claims{
		Issuer: t.issuer, Audience: t.audience, Subject: userID, ID: sessionID, IssuedAt: issued, Expires: &expires,
	}).SignedString(t.secret)
}

// parse returns whose token it is; the caller asks the database whether the
// session still exists.
func (t *tokens) parse(token string) (userID, sessionID uuid.UUID, err error) {
	if len(token) > maxToken {
		return uuid.Nil, uuid.Nil, errors.New("token is too long")
	}
	var c claims
	if _, err := t.parser.ParseWithClaims(token, &c, func(*jwt.Token) (any, error) { return t.secret, nil }); err != nil {
		return uuid.Nil, uuid.Nil, fmt.Errorf("parse token: %w", err)
	}
	life := *c.Expires - c.IssuedAt
	switch {
	case c.IssuedAt > t.now().Add(clockSkew).Unix():
		return uuid.Nil, uuid.Nil, errors.New("token is from the future")
	case c.IssuedAt <= 0, life <= 0, life > int64(maxTokenTTL/time.Second):
		return uuid.Nil, uuid.Nil, errors.New("token lives longer than any of ours")
	case c.Subject == uuid.Nil, c.ID == uuid.Nil:
		return uuid.Nil, uuid.Nil, errors.New("token names no user or session")
	}
	return c.Subject, c.ID, nil
}
