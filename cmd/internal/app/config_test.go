package app

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const testSecret = "ANB_AUTH_JWT_SECRET=0123456789abcdef0123456789abcdef"

func TestValidate_AcceptsTheDefaultsOnceThereIsASecret(t *testing.T) {
	t.Parallel()
	c, _, err := load(t, "")
	require.NoError(t, err)
	require.NoError(t, c.Validate(false), "a worker signs nothing")
	require.ErrorContains(t, c.Validate(true), "ANB_AUTH_JWT_SECRET")
	c, _, err = load(t, "", testSecret)
	require.NoError(t, err)
	require.NoError(t, c.Validate(true))
}

func TestValidate_NamesTheKeyOfEachBadValue(t *testing.T) {
	t.Parallel()
	bad := map[string][]string{
		"http.addr": {"8000", "x:y:z", "h:99999", "h:nix"}, "http.public_url": {"anb.example", "ftp://x", "http://"},
		"http.trusted_proxies": {"proxy", "10.0.0.0/33"}, "http.read_timeout": {"0s", "-1s"}, "http.write_timeout": {"0s"},
		"http.shutdown_delay": {"-1s"}, "http.shutdown_grace": {"0s"}, "http.max_header_bytes": {"1"}, "http.max_json_bytes": {"1"},
		"http.min_rate": {"-1"}, "http.max_connections": {"-1"}, "upload.per_player": {"-1"}, "upload.at_once": {"-1"}, "upload.reserve": {"-1"},
		"log.level": {"loud"}, "log.format": {"xml"},
		"database.url": {"mysql://x", "host=x"}, "database.max_open": {"0"}, "database.query_timeout": {"0s"},
		"redis.url":         {"localhost:6379", "http://x", "redis://"},
		"storage.originals": {"ftp://x", "s3://", "s3://u:p@b", "./processed_videos", "."}, "storage.processed": {"gs://x", "./uploads", "./uploads/processed"},
		"auth.jwt_secret": {"short"}, "auth.token_ttl": {"0s", "1500ms", "9999h"}, "auth.hash_memory": {"1"}, "auth.hash_iterations": {"0", "99"},
		"auth.hash_parallel": {"0"}, "auth.hash_wait": {"0s"},
		"upload.max_bytes": {"0"}, "upload.min_duration": {"0s"}, "upload.max_duration": {"1s"}, "upload.tolerance": {"-1s", "1h"},
		"upload.min_short_side": {"0"}, "upload.max_pixels": {"9"}, "upload.formats": {"avi", "mp4,exe"}, "upload.original_ttl": {"1s"}, "upload.repeat_window": {"-1s", "25h"},
		"voting.opens_at": {"tomorrow"}, "voting.closes_at": {"2026-11-30"},
		"processing.max_attempts": {"0"}, "processing.lease": {"0s"}, "processing.heartbeat": {"0s", "29s"}, "processing.timeout": {"0s"},
		"processing.retry_base": {"0s"}, "processing.retry_cap": {"0s"}, "processing.sweep_interval": {"0s"}, "processing.grace": {"0s"},
		"encoder.width": {"1279", "0", "4000"}, "encoder.height": {"63"}, "encoder.fps": {"0", "999"}, "encoder.clip_length": {"0s"},
		"encoder.card_length": {"0s"}, "encoder.preset": {"warp", "ultrafast"}, "encoder.crf": {"52"}, "encoder.threads": {"0"},
		"work.queues": {",", "a,"}, "work.concurrency": {"0", "257"}, "work.drain": {"-1s"}, "work.janitor_interval": {"0s"},
		"metrics.addr": {"9090", "x:y:z", "h:99999"},
	}
	for key, values := range bad {
		for _, value := range values {
			env := []string{Variable(key) + "=" + value}
			if key != "auth.jwt_secret" {
				env = append(env, testSecret)
			}
			c, _, err := load(t, "", env...)
			require.NoError(t, err, env[0])
			err = c.Validate(true)
			require.Error(t, err, env[0])
			section, name, _ := strings.Cut(key, ".")
			require.Contains(t, err.Error(), section, env[0])
			require.Contains(t, err.Error(), name, env[0])
		}
	}
}

func TestValidate_ReportsAllSectionsAtOnce(t *testing.T) {
	t.Parallel()
	var c Config
	err := c.Validate(true)
	require.Error(t, err)
	for _, section := range []string{"http.", "log.", "database.", "redis.", "storage.", "auth.", "upload", "processing.", "encoder", "ffmpeg.", "work."} {
		require.Contains(t, err.Error(), section)
	}
}
