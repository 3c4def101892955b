-- +goose Up
CREATE TABLE monitor_sessions (
    id         text PRIMARY KEY, -- SHA-256 of the cookie, hexadecimal
    name       text NOT NULL, -- of the user in the configuration
    credential text NOT NULL, -- a digest of the user's entry there: another password or role ends the session
    created_at integer NOT NULL,
    expires_at integer NOT NULL
);
CREATE INDEX monitor_sessions_expiry ON monitor_sessions (expires_at);

-- Only ever added to.
CREATE TABLE audit_events (
    id         text PRIMARY KEY,
    at         integer NOT NULL,
    who        text NOT NULL,
    role       text NOT NULL,
    address    text NOT NULL, -- of the client
    action     text NOT NULL, -- such as job.retry
    target     text NOT NULL, -- such as a job's id
    reason     text NOT NULL, -- that the operator gave
    result     text NOT NULL CHECK (result IN ('done', 'refused')),
    detail     text NOT NULL,
    key        text UNIQUE, -- of the request, so that twice is once; may be null
    request_id text NOT NULL
);
CREATE INDEX audit_events_target ON audit_events (target, id);
CREATE INDEX audit_events_who ON audit_events (who, id);
-- +goose StatementBegin
CREATE TRIGGER audit_events_stay BEFORE UPDATE ON audit_events BEGIN
    SELECT RAISE(ABORT, 'audit_events is only added to');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_events_remain BEFORE DELETE ON audit_events BEGIN
    SELECT RAISE(ABORT, 'audit_events is only added to');
END;
-- +goose StatementEnd

CREATE TABLE operations (
    id          text PRIMARY KEY,
    action      text NOT NULL CHECK (action IN ('retry', 'cancel', 'discard')),
    filter      text NOT NULL, -- in the search language; or empty, and then ids has them
    ids         text NOT NULL, -- separated by commas
    reason      text NOT NULL,
    who         text NOT NULL,
    per_minute  integer NOT NULL CHECK (per_minute >= 0), -- 0: as fast as it goes
    state       text NOT NULL CHECK (state IN ('running', 'done', 'stopped')),
    total       integer NOT NULL, -- jobs that the preview counted
    changed     integer NOT NULL DEFAULT 0,
    skipped     integer NOT NULL DEFAULT 0, -- that were in another state by then
    last_id     text, -- how far it is; null: it has not begun
    lease_until integer NOT NULL, -- whoever carries it on holds it until then
    created_at  integer NOT NULL,
    finished_at integer,
    CHECK ((state = 'running') = (finished_at IS NULL))
);
CREATE INDEX operations_running ON operations (lease_until) WHERE state = 'running';

-- +goose Down
DROP TABLE operations;
DROP TABLE audit_events;
DROP TABLE monitor_sessions;
