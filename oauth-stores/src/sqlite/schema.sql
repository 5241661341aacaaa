-- Version 1. Times are milliseconds since 1970-01-01T00:00:00Z. What is a hash and how long a row lives: SCHEMA.md.

CREATE TABLE grants (
    id           BLOB NOT NULL PRIMARY KEY,
    subject      TEXT NOT NULL,
    subject_kind TEXT,                -- NULL: a user
    client_id    TEXT NOT NULL,
    scopes       TEXT NOT NULL,       -- separated by spaces
    resources    TEXT NOT NULL,       -- separated by spaces
    issued_at    INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    auth_time    INTEGER,
    revoked_at   INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX grants_by_subject ON grants (subject);
CREATE INDEX grants_by_client ON grants (client_id);

-- All rows of a grant lie side by side: an exchange touches one page.
CREATE TABLE credentials (
    grant_id   BLOB NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
    hash       BLOB NOT NULL,
    kind       TEXT NOT NULL,
    issued_at  INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    spent_at   INTEGER,
    reply      INTEGER,               -- in replies; NULL, or a row that is gone: no retry
    scopes     TEXT,                  -- NULL: the grant's
    resources  TEXT,                  -- NULL: the grant's
    jkt        BLOB,                  -- NULL: a bearer's
    code       TEXT,                  -- JSON; authorization codes alone
    PRIMARY KEY (grant_id, hash)
) STRICT, WITHOUT ROWID;

-- Apart from the credentials, in the order in which they were made: they are large, and live for minutes.
CREATE TABLE replies (
    id        INTEGER PRIMARY KEY,
    until     INTEGER NOT NULL,
    spent     BLOB NOT NULL,
    successor BLOB,
    request   BLOB NOT NULL,
    sealed    BLOB NOT NULL
) STRICT;

CREATE TABLE clients (
    id          TEXT NOT NULL PRIMARY KEY,
    version     INTEGER NOT NULL,
    used        INTEGER NOT NULL,     -- counts instead of what the record says, as does expires_at
    expires_at  INTEGER,
    fingerprint BLOB UNIQUE,          -- NULL also if another client has taken it over
    record      TEXT NOT NULL         -- JSON
) STRICT;
CREATE INDEX clients_unused ON clients (id) WHERE used = 0;

CREATE TABLE consents (
    subject            TEXT NOT NULL,
    client_id          TEXT NOT NULL,
    client_fingerprint BLOB NOT NULL,
    scopes             TEXT NOT NULL,
    resources          TEXT NOT NULL,
    given_at           INTEGER NOT NULL,
    expires_at         INTEGER NOT NULL,
    UNIQUE (subject, client_id)
) STRICT;

CREATE TABLE accounts (
    subject    TEXT NOT NULL PRIMARY KEY,
    name       TEXT,
    created_at INTEGER NOT NULL,
    disabled   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE identities (
    provider TEXT NOT NULL,
    id       TEXT NOT NULL,
    subject  TEXT NOT NULL REFERENCES accounts (subject),
    PRIMARY KEY (provider, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE verifiers (
    provider TEXT NOT NULL,
    id       TEXT NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (provider, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
    key        BLOB NOT NULL PRIMARY KEY,
    subject    TEXT NOT NULL,
    auth_time  INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_subject ON sessions (subject);

CREATE TABLE replay (
    key   BLOB NOT NULL PRIMARY KEY,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE limits (
    key      BLOB NOT NULL PRIMARY KEY,
    whole_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE keys (
    purpose    TEXT NOT NULL,
    id         TEXT NOT NULL,
    algorithm  TEXT NOT NULL,
    material   BLOB NOT NULL,         -- in clear: the file is as secret as this
    created_at INTEGER NOT NULL,
    retired_at INTEGER,
    UNIQUE (purpose, id)
) STRICT;

CREATE TABLE vault (
    subject  TEXT NOT NULL,
    provider TEXT NOT NULL,
    sealed   BLOB NOT NULL,
    UNIQUE (subject, provider)
) STRICT;
