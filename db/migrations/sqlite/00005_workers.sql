-- +goose Up
CREATE TABLE workers (
    id           text PRIMARY KEY, -- as in jobs.worker
    host         text NOT NULL,
    pid          integer NOT NULL,
    version      text NOT NULL,
    queues       text NOT NULL, -- separated by commas, earlier ones first
    slots        integer NOT NULL, -- jobs at once
    state        text NOT NULL CHECK (state IN ('online', 'draining', 'exited')),
    started_at   integer NOT NULL,
    beat_at      integer NOT NULL, -- the latest report: a worker that died stays online, and beats no more
    ended_at     integer,
    cpu          real NOT NULL DEFAULT 0, -- cores in use by it and its children since the report before
    rss          integer NOT NULL DEFAULT 0, -- bytes, of it and its children
    scratch_free integer, -- bytes
    done         integer NOT NULL DEFAULT 0, -- attempts since it started
    failed       integer NOT NULL DEFAULT 0,
    CHECK ((state = 'exited') = (ended_at IS NOT NULL))
);
CREATE INDEX workers_living ON workers (beat_at) WHERE ended_at IS NULL;
ALTER TABLE jobs ADD COLUMN speed real NOT NULL DEFAULT 0; -- of the encoder now; 1 is real time

-- +goose Down
ALTER TABLE jobs DROP COLUMN speed;
DROP TABLE workers;
