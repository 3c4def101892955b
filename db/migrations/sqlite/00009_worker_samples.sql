-- +goose Up
CREATE TABLE worker_samples (
    worker       text NOT NULL,
    at           integer NOT NULL, -- a whole minute
    cpu          real NOT NULL, -- as in workers, at that time
    rss          integer NOT NULL,
    scratch_free integer,
    PRIMARY KEY (worker, at)
);
CREATE INDEX worker_samples_at ON worker_samples (at);

-- +goose Down
DROP TABLE worker_samples;
