CREATE TABLE idempotency (
    key_id TEXT NOT NULL,
    name TEXT NOT NULL CHECK (length(CAST(name AS BLOB)) BETWEEN 1 AND 255),
    fingerprint BLOB NOT NULL CHECK (length(fingerprint) = 32),
    created_on INTEGER NOT NULL,
    status INTEGER NOT NULL,
    etag TEXT,
    body BLOB NOT NULL,
    PRIMARY KEY (key_id, name)
) STRICT;

CREATE INDEX idempotency_by_created_on ON idempotency (created_on);
