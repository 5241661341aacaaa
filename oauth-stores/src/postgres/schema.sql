-- Version 1. Times are milliseconds since 1970-01-01T00:00:00Z. What is a hash and how long a row lives: SCHEMA.md.
-- Each statement may be run again. No foreign keys: what they would forbid cannot be presented, and each costs an exchange a lookup.

CREATE TABLE IF NOT EXISTS oauth.grants (
    id           BYTEA PRIMARY KEY,
    subject      TEXT NOT NULL,
    subject_kind TEXT,                -- NULL: a user
    client_id    TEXT NOT NULL,
    scopes       TEXT NOT NULL,       -- separated by spaces
    resources    TEXT NOT NULL,       -- separated by spaces
    issued_at    BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    auth_time    BIGINT,
    revoked_at   BIGINT
);
CREATE INDEX IF NOT EXISTS grants_by_subject ON oauth.grants (subject, id);
CREATE INDEX IF NOT EXISTS grants_by_client ON oauth.grants (client_id, id);
CREATE INDEX IF NOT EXISTS grants_by_expiry ON oauth.grants (expires_at);
CREATE INDEX IF NOT EXISTS grants_revoked ON oauth.grants (revoked_at) WHERE revoked_at IS NOT NULL;

-- Written once and never changed: nothing to vacuum but what a purge removes.
CREATE TABLE IF NOT EXISTS oauth.credentials (
    grant_id   BYTEA NOT NULL,
    hash       BYTEA NOT NULL,
    kind       TEXT NOT NULL,
    issued_at  BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    scopes     TEXT,                  -- NULL: the grant's
    resources  TEXT,                  -- NULL: the grant's
    jkt        BYTEA,                 -- NULL: a bearer's
    code       TEXT,                  -- JSON; authorization codes alone
    PRIMARY KEY (grant_id, hash)
);
CREATE INDEX IF NOT EXISTS credentials_by_expiry ON oauth.credentials (expires_at);

-- What was spent: its key decides each race. The reply goes earlier than the row.
CREATE TABLE IF NOT EXISTS oauth.spent (
    grant_id    BYTEA NOT NULL,
    hash        BYTEA NOT NULL,
    spent_at    BIGINT NOT NULL,
    reply_until BIGINT,               -- NULL: no reply, so no retry
    successor   BYTEA,
    request     BYTEA,
    sealed      BYTEA,
    PRIMARY KEY (grant_id, hash)
);
CREATE INDEX IF NOT EXISTS spent_with_reply ON oauth.spent (reply_until) WHERE reply_until IS NOT NULL;

CREATE TABLE IF NOT EXISTS oauth.clients (
    id          TEXT PRIMARY KEY,
    version     BIGINT NOT NULL,
    used        BOOLEAN NOT NULL,     -- counts instead of what the record says, as does expires_at
    expires_at  BIGINT,
    fingerprint BYTEA UNIQUE,         -- NULL also if another client has taken it over
    record      TEXT NOT NULL         -- JSON
);
CREATE INDEX IF NOT EXISTS clients_unused ON oauth.clients (id) WHERE NOT used;
CREATE INDEX IF NOT EXISTS clients_by_expiry ON oauth.clients (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE IF NOT EXISTS oauth.consents (
    subject            TEXT NOT NULL,
    client_id          TEXT NOT NULL,
    client_fingerprint BYTEA NOT NULL,
    scopes             TEXT NOT NULL,
    resources          TEXT NOT NULL,
    given_at           BIGINT NOT NULL,
    expires_at         BIGINT NOT NULL,
    PRIMARY KEY (subject, client_id)
);
CREATE INDEX IF NOT EXISTS consents_by_expiry ON oauth.consents (expires_at);

CREATE TABLE IF NOT EXISTS oauth.accounts (
    subject    TEXT PRIMARY KEY,
    name       TEXT,
    created_at BIGINT NOT NULL,
    disabled   BOOLEAN NOT NULL
);

CREATE TABLE IF NOT EXISTS oauth.identities (
    provider TEXT NOT NULL,
    id       TEXT NOT NULL,
    subject  TEXT NOT NULL,
    PRIMARY KEY (provider, id)
);

CREATE TABLE IF NOT EXISTS oauth.verifiers (
    provider TEXT NOT NULL,
    id       TEXT NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (provider, id)
);

CREATE TABLE IF NOT EXISTS oauth.sessions (
    key        BYTEA PRIMARY KEY,
    subject    TEXT NOT NULL,
    auth_time  BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX IF NOT EXISTS sessions_by_subject ON oauth.sessions (subject);
CREATE INDEX IF NOT EXISTS sessions_by_expiry ON oauth.sessions (expires_at);

CREATE TABLE IF NOT EXISTS oauth.replay (
    key   BYTEA PRIMARY KEY,
    until BIGINT NOT NULL
);
CREATE INDEX IF NOT EXISTS replay_by_expiry ON oauth.replay (until);

CREATE TABLE IF NOT EXISTS oauth.limits (
    key      BYTEA PRIMARY KEY,
    whole_at BIGINT NOT NULL
);
CREATE INDEX IF NOT EXISTS limits_by_expiry ON oauth.limits (whole_at);

CREATE TABLE IF NOT EXISTS oauth.keys (
    number     BIGINT GENERATED ALWAYS AS IDENTITY,
    purpose    TEXT NOT NULL,
    id         TEXT NOT NULL,
    algorithm  TEXT NOT NULL,
    material   BYTEA NOT NULL,        -- in clear: the database is as secret as this
    created_at BIGINT NOT NULL,
    retired_at BIGINT,
    first      BOOLEAN NOT NULL,
    PRIMARY KEY (purpose, id)
);
-- Of two servers that start at once one makes the first key.
CREATE UNIQUE INDEX IF NOT EXISTS keys_first ON oauth.keys (purpose) WHERE first;

CREATE TABLE IF NOT EXISTS oauth.vault (
    subject  TEXT NOT NULL,
    provider TEXT NOT NULL,
    sealed   BYTEA NOT NULL,
    PRIMARY KEY (subject, provider)
);

-- Who locks a row here has the turn: one purge at a time.
CREATE TABLE IF NOT EXISTS oauth.turns (
    name TEXT PRIMARY KEY
);
INSERT INTO oauth.turns (name) VALUES ('purge') ON CONFLICT DO NOTHING;
