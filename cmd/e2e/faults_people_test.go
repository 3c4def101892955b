//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"anb/platform/database"
)

// accounts makes n accounts with a session each, behind the back of the API:
// signing up that many would be a test of password hashes.
func (r *rig) accounts(base string, n int) []*user {
	r.x.Helper()
	secret, err := os.ReadFile(filepath.Join(r.dir, "secret"))
	require.NoError(r.x, err)
	now := time.Now()
	all := make([]*user, n)
	type row = map[string]any
	var users, sessions []row
	for i := range all {
		id, session := uuid.New(), uuid.New()
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
			"iss": "anb", "aud": "anb-api", "sub": id, "jti": session, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
		}).SignedString(secret[:len(secret)-1])
		require.NoError(r.x, err)
		all[i] = &user{b: r.book, base: base, token: token, id: id.String()}
		users = append(users, row{
			"id": id, "email": id.String() + "@example.co", "email_key": id.String() + "@example.co", "password_hash": "-", "first_name": "Voz",
			"last_name": "Prueba", "city": "Cali", "city_key": "cali", "country": "Colombia", "created_at": now, "updated_at": now,
		})
		sessions = append(sessions, row{"id": session, "user_id": id, "created_at": now, "expires_at": now.Add(time.Hour)})
	}
	r.inDatabase(func(d *database.DB) {
		require.NoError(r.x, d.Write(r.x.Context()).Table("users").CreateInBatches(users, 500).Error)
		require.NoError(r.x, d.Write(r.x.Context()).Table("sessions").CreateInBatches(sessions, 500).Error)
	})
	return all
}

// votes counts a video's votes.
func (r *rig) votes(video string) (n int) {
	r.x.Helper()
	var count int64
	r.inDatabase(func(d *database.DB) {
		require.NoError(r.x, d.Read(r.x.Context()).Table("votes").Where("video_id = ?", video).Count(&count).Error)
	})
	return int(count)
}

// contentOf reads a file.
func contentOf(x *experiment, path string) []byte {
	x.Helper()
	data, err := os.ReadFile(path)
	require.NoError(x, err)
	return data
}
