-- +goose Up
CREATE TABLE queue_samples (
    queue       text NOT NULL,
    width       text NOT NULL CHECK (width IN ('minute', 'hour', 'day')),
    at          timestamptz NOT NULL, -- the interval's start, in UTC
    arrived     bigint NOT NULL, -- jobs that were made in it
    started     bigint NOT NULL, -- jobs that were claimed for the first time
    done        bigint NOT NULL, -- attempts that ended well
    failed      bigint NOT NULL, -- attempts that ended badly, or whose worker fell silent
    waiting     bigint NOT NULL, -- jobs at its end, those that rest before another attempt too
    running     bigint NOT NULL, -- attempts at its end
    oldest_ms   bigint NOT NULL, -- how long the first of the waiting ones had waited; 0: none
    wait_p50_ms bigint, -- of the started ones, since they were made
    wait_p95_ms bigint,
    run_p50_ms  bigint, -- of the done ones
    run_p95_ms  bigint,
    PRIMARY KEY (queue, width, at)
);
-- What samples are made of, without reading whole tables.
CREATE INDEX jobs_arrived ON jobs (queue, created_at);
CREATE INDEX jobs_finished ON jobs (queue, finished_at);
CREATE INDEX job_attempts_started ON job_attempts (started_at);
CREATE INDEX job_attempts_finished ON job_attempts (finished_at);

-- +goose Down
DROP INDEX job_attempts_finished;
DROP INDEX job_attempts_started;
DROP INDEX jobs_finished;
DROP INDEX jobs_arrived;
DROP TABLE queue_samples;
