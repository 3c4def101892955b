-- +goose Up
-- Times are whole microseconds since 1970, ids are text. Search without an index: there is no trigram one here.

CREATE TABLE users (
    id            text PRIMARY KEY,
    email         text NOT NULL,
    email_key     text NOT NULL UNIQUE, -- lower case: unique without regard to case
    password_hash text NOT NULL,
    first_name    text NOT NULL,
    last_name     text NOT NULL,
    city          text NOT NULL,
    city_key      text NOT NULL, -- no case, no accents
    country       text NOT NULL,
    role          text NOT NULL DEFAULT 'player' CHECK (role IN ('player', 'jury', 'admin')),
    is_active     integer NOT NULL DEFAULT 1,
    created_at    integer NOT NULL,
    updated_at    integer NOT NULL
);

CREATE TABLE sessions (
    id         text PRIMARY KEY, -- the token's jti
    user_id    text NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at integer NOT NULL,
    expires_at integer NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE videos (
    id              text PRIMARY KEY,
    user_id         text NOT NULL REFERENCES users (id),
    title           text NOT NULL,
    status          text NOT NULL CHECK (status IN ('uploaded', 'processing', 'processed', 'failed')),
    city_key        text NOT NULL, -- the player's, kept equal
    search_key      text NOT NULL, -- title and player: no case, no accents
    original_key    text NOT NULL UNIQUE,
    original_bytes  integer NOT NULL,
    original_sha256 text NOT NULL, -- hexadecimal
    start_ms        integer NOT NULL DEFAULT 0,
    uploaded_at     integer NOT NULL,
    processed_at    integer,
    processed_key   text UNIQUE,
    thumbnail_key   text UNIQUE,
    failure_code    text,
    vote_count      integer NOT NULL DEFAULT 0 CHECK (vote_count >= 0),
    CHECK ((status = 'processed') = (processed_key IS NOT NULL AND thumbnail_key IS NOT NULL AND processed_at IS NOT NULL)),
    CHECK ((status = 'failed') = (failure_code IS NOT NULL))
);
CREATE INDEX videos_own ON videos (user_id, uploaded_at, id);
CREATE INDEX videos_recent ON videos (processed_at DESC, id DESC) WHERE status = 'processed';
CREATE INDEX videos_top ON videos (vote_count DESC, id DESC) WHERE status = 'processed';
CREATE INDEX videos_city_recent ON videos (city_key, processed_at DESC, id DESC) WHERE status = 'processed';
CREATE INDEX videos_city_top ON videos (city_key, vote_count DESC, id DESC) WHERE status = 'processed';

CREATE TABLE votes (
    user_id    text NOT NULL REFERENCES users (id),
    video_id   text NOT NULL REFERENCES videos (id),
    created_at integer NOT NULL,
    PRIMARY KEY (user_id, video_id)
);
CREATE INDEX votes_video ON votes (video_id);

CREATE TABLE player_totals (
    user_id    text PRIMARY KEY REFERENCES users (id),
    city_key   text NOT NULL, -- the player's, kept equal
    votes      integer NOT NULL CHECK (votes >= 0),
    reached_at integer NOT NULL -- of the latest vote: ties go to the earlier
);
CREATE INDEX player_totals_rank ON player_totals (votes DESC, reached_at, user_id) WHERE votes > 0;
CREATE INDEX player_totals_city_rank ON player_totals (city_key, votes DESC, reached_at, user_id) WHERE votes > 0;

-- A job outlives a deleted video (as cancelled), so video_id is no foreign key.
CREATE TABLE jobs (
    id               text PRIMARY KEY, -- the task_id
    video_id         text NOT NULL,
    queue            text NOT NULL,
    state            text NOT NULL CHECK (state IN ('queued', 'running', 'retrying', 'done', 'dead', 'cancelled')),
    attempt          integer NOT NULL DEFAULT 0,
    max_attempts     integer NOT NULL,
    fence            integer NOT NULL DEFAULT 0, -- grows with each claim; a stale worker's writes match no row
    lease_until      integer,
    run_after        integer NOT NULL,
    stage            text NOT NULL DEFAULT '',
    progress         real NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 100),
    worker           text NOT NULL DEFAULT '',
    cancel_requested integer NOT NULL DEFAULT 0,
    reason           text NOT NULL DEFAULT '', -- of the last failure
    created_at       integer NOT NULL,
    started_at       integer, -- first claim
    finished_at      integer,
    CHECK ((state = 'running') = (lease_until IS NOT NULL))
);
CREATE UNIQUE INDEX jobs_active ON jobs (video_id) WHERE state IN ('queued', 'running', 'retrying');
CREATE INDEX jobs_video ON jobs (video_id, created_at);
CREATE INDEX jobs_due ON jobs (queue, run_after, id) WHERE state IN ('queued', 'retrying');
CREATE INDEX jobs_leases ON jobs (lease_until) WHERE state = 'running';

CREATE TABLE job_attempts (
    job_id      text NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    fence       integer NOT NULL,
    attempt     integer NOT NULL,
    worker      text NOT NULL,
    started_at  integer NOT NULL,
    finished_at integer,
    outcome     text NOT NULL DEFAULT 'running', -- done, failed, cancelled, released, lost
    reason      text NOT NULL DEFAULT '',
    error       text NOT NULL DEFAULT '',
    exit_code   integer,
    signal      text NOT NULL DEFAULT '',
    stderr_tail text NOT NULL DEFAULT '',
    PRIMARY KEY (job_id, fence)
);

-- +goose Down
DROP TABLE job_attempts;
DROP TABLE jobs;
DROP TABLE player_totals;
DROP TABLE votes;
DROP TABLE videos;
DROP TABLE sessions;
DROP TABLE users;
