-- +goose Up
ALTER TABLE job_attempts ADD COLUMN decode_errors integer NOT NULL DEFAULT 0; -- in an upload that was still good enough
ALTER TABLE job_attempts ADD COLUMN codec text NOT NULL DEFAULT ''; -- that made the result

-- +goose Down
ALTER TABLE job_attempts DROP COLUMN codec;
ALTER TABLE job_attempts DROP COLUMN decode_errors;
