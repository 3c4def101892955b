-- +goose Up
CREATE TABLE worker_samples (
    worker       text NOT NULL,
    at           timestamptz NOT NULL, -- a whole minute
    cpu          double precision NOT NULL, -- as in workers, at that time
    rss          bigint NOT NULL,
    scratch_free bigint,
    PRIMARY KEY (worker, at)
);
CREATE INDEX worker_samples_at ON worker_samples (at);

-- +goose Down
DROP TABLE worker_samples;
