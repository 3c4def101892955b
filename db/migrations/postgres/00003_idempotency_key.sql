-- +goose Up
ALTER TABLE videos ADD COLUMN idempotency_key text; -- the client's name for the upload; the player's row guards it

-- +goose Down
ALTER TABLE videos DROP COLUMN idempotency_key;
