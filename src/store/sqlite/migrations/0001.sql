CREATE TABLE contacts (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    alias TEXT NOT NULL UNIQUE CHECK (length(CAST(alias AS BLOB)) BETWEEN 1 AND 512),
    msisdn TEXT NOT NULL CHECK (length(CAST(msisdn AS BLOB)) BETWEEN 7 AND 15),
    meta TEXT NOT NULL CHECK (length(CAST(meta AS BLOB)) BETWEEN 2 AND 16384),
    updated_on INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE api_keys (
    id TEXT NOT NULL PRIMARY KEY CHECK (length(CAST(id AS BLOB)) = 12),
    name TEXT NOT NULL CHECK (length(CAST(name AS BLOB)) BETWEEN 1 AND 512),
    hash TEXT NOT NULL,
    tag BLOB NOT NULL CHECK (length(tag) = 4),
    permissions TEXT NOT NULL,
    created_on INTEGER NOT NULL,
    expires_on INTEGER,
    revoked_on INTEGER
) STRICT, WITHOUT ROWID;
