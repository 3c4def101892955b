-- +goose Up
ALTER TABLE jobs ADD COLUMN request_id text; -- of the request that asked for it, as in logs

-- +goose Down
ALTER TABLE jobs DROP COLUMN request_id;
