-- +goose Up
-- What operators order. Workers read it; claims obey it.
CREATE TABLE queue_pauses (
    queue  text PRIMARY KEY,
    reason text NOT NULL,
    who    text NOT NULL,
    since  timestamptz NOT NULL
);
ALTER TABLE workers ADD COLUMN ordered_drain boolean NOT NULL DEFAULT false; -- take no more jobs
ALTER TABLE workers ADD COLUMN ordered_slots integer CHECK (ordered_slots BETWEEN 1 AND 256); -- null: as it was started
ALTER TABLE workers ADD COLUMN ordered_idle text NOT NULL DEFAULT ''; -- its queues that it leaves alone, separated by commas

ALTER TABLE jobs ADD COLUMN fingerprint text NOT NULL DEFAULT ''; -- of the failure that ended it; equal failures have equal ones
ALTER TABLE jobs ADD COLUMN discarded_at timestamptz; -- when an operator took it off the dead-letter list
ALTER TABLE jobs ADD COLUMN operation_id uuid; -- the bulk operation that last changed it
ALTER TABLE jobs ADD COLUMN progressed_at timestamptz; -- when stage or progress last changed
ALTER TABLE job_attempts ADD COLUMN commands text NOT NULL DEFAULT ''; -- of ffmpeg, one a line
ALTER TABLE job_attempts ADD COLUMN stages text NOT NULL DEFAULT ''; -- each with the ms after which it began, separated by commas
ALTER TABLE videos ADD COLUMN original_ms bigint; -- of the pictures; null where an older version took the upload
ALTER TABLE videos ADD COLUMN original_width integer; -- pixels, upright
ALTER TABLE videos ADD COLUMN original_height integer;
ALTER TABLE videos ADD COLUMN original_codec text;
ALTER TABLE videos ADD COLUMN processed_ms bigint; -- with its cards; null where an older version published
ALTER TABLE videos ADD COLUMN processed_width integer;
ALTER TABLE videos ADD COLUMN processed_height integer;

-- Job lists go by id, which is by time: UUIDv7.
CREATE INDEX jobs_state ON jobs (state, id);
CREATE INDEX jobs_queue_state ON jobs (queue, state, id);
CREATE INDEX jobs_worker ON jobs (worker, id) WHERE worker <> '';
CREATE INDEX jobs_reason ON jobs (reason, id) WHERE reason <> '';
CREATE INDEX jobs_dead ON jobs (fingerprint, reason, id) WHERE state = 'dead' AND discarded_at IS NULL;
CREATE INDEX jobs_dead_list ON jobs (id, queue) WHERE state = 'dead' AND discarded_at IS NULL;
CREATE INDEX jobs_discarded ON jobs (id, queue) WHERE state = 'dead' AND discarded_at IS NOT NULL;
CREATE INDEX jobs_operation ON jobs (operation_id, id) WHERE operation_id IS NOT NULL;
CREATE INDEX videos_words ON videos USING gin (search_key gin_trgm_ops);

-- +goose Down
DROP INDEX videos_words;
DROP INDEX jobs_operation;
DROP INDEX jobs_discarded;
DROP INDEX jobs_dead_list;
DROP INDEX jobs_dead;
DROP INDEX jobs_reason;
DROP INDEX jobs_worker;
DROP INDEX jobs_queue_state;
DROP INDEX jobs_state;
ALTER TABLE videos DROP COLUMN processed_height;
ALTER TABLE videos DROP COLUMN processed_width;
ALTER TABLE videos DROP COLUMN processed_ms;
ALTER TABLE videos DROP COLUMN original_codec;
ALTER TABLE videos DROP COLUMN original_height;
ALTER TABLE videos DROP COLUMN original_width;
ALTER TABLE videos DROP COLUMN original_ms;
ALTER TABLE job_attempts DROP COLUMN stages;
ALTER TABLE job_attempts DROP COLUMN commands;
ALTER TABLE jobs DROP COLUMN progressed_at;
ALTER TABLE jobs DROP COLUMN operation_id;
ALTER TABLE jobs DROP COLUMN discarded_at;
ALTER TABLE jobs DROP COLUMN fingerprint;
ALTER TABLE workers DROP COLUMN ordered_idle;
ALTER TABLE workers DROP COLUMN ordered_slots;
ALTER TABLE workers DROP COLUMN ordered_drain;
DROP TABLE queue_pauses;
