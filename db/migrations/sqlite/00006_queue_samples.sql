-- +goose Up
CREATE TABLE queue_samples (
    queue       text NOT NULL,
    width       text NOT NULL CHECK (width IN ('minute', 'hour', 'day')),
    at          integer NOT NULL, -- the interval's start, in UTC
    arrived     integer NOT NULL, -- jobs that were made in it
    started     integer NOT NULL, -- jobs that were claimed for the first time
    done        integer NOT NULL, -- attempts that ended well
    failed      integer NOT NULL, -- attempts that ended badly, or whose worker fell silent
    waiting     integer NOT NULL, -- jobs at its end, those that rest before another attempt too
    running     integer NOT NULL, -- attempts at its end
    oldest_ms   integer NOT NULL, -- how long the first of the waiting ones had waited; 0: none
    wait_p50_ms integer, -- of the started ones, since they were made
    wait_p95_ms integer,
    run_p50_ms  integer, -- of the done ones
    run_p95_ms  integer,
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
