CREATE TABLE sessions (
    hash BLOB NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    key_id TEXT NOT NULL REFERENCES api_keys (id),
    key_hash TEXT NOT NULL,
    created_on INTEGER NOT NULL,
    expires_on INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_by_key ON sessions (key_id, created_on);

CREATE INDEX sessions_by_expires_on ON sessions (expires_on);

CREATE INDEX audit_sessions ON audit (id) WHERE action = 'session.opened';
