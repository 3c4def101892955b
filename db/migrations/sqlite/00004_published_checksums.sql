-- +goose Up
ALTER TABLE videos ADD COLUMN processed_bytes bigint; -- null where an older version published
ALTER TABLE videos ADD COLUMN processed_sha256 text;
ALTER TABLE videos ADD COLUMN thumbnail_bytes bigint;
ALTER TABLE videos ADD COLUMN thumbnail_sha256 text;

-- +goose Down
ALTER TABLE videos DROP COLUMN thumbnail_sha256;
ALTER TABLE videos DROP COLUMN thumbnail_bytes;
ALTER TABLE videos DROP COLUMN processed_sha256;
ALTER TABLE videos DROP COLUMN processed_bytes;
