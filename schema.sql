-- The whole schema of an address book: one file is one address book.

-- "abk1" in ASCII, at byte 68 of the file: whose file this is.
PRAGMA application_id = 1633839921;
-- At byte 60 of the file: which schema. A newer one is refused untouched.
PRAGMA user_version = 8;

CREATE TABLE contacts (
    -- UUID version 7: its first 48 bits are the millisecond of creation, so new
    -- rows append, and the order of ids is the order of created_on.
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    -- Trimmed, NFC, 1 to 128 characters, compared byte by byte.
    alias TEXT NOT NULL UNIQUE CHECK (length(CAST(alias AS BLOB)) BETWEEN 1 AND 512),
    -- Digits alone, 7 to 15. Not unique.
    msisdn TEXT NOT NULL CHECK (length(CAST(msisdn AS BLOB)) BETWEEN 7 AND 15),
    -- Compact JSON object, members in the order that came, numbers to the digit.
    meta TEXT NOT NULL CHECK (length(CAST(meta AS BLOB)) BETWEEN 2 AND 16384),
    -- Milliseconds since 1970, UTC.
    updated_on INTEGER NOT NULL,
    -- Of all the others (store/sqlite/checksum.rs): a flipped bit is told when the row
    -- is read. 0 is none, for rows that are written by hand.
    checksum INTEGER NOT NULL DEFAULT 0
-- The row lives in the tree of its id: a tree and a write less for each contact.
) STRICT, WITHOUT ROWID;

-- For lists by number and deletes by number; holds the id as its second column.
CREATE INDEX contacts_by_msisdn ON contacts (msisdn);

CREATE TABLE optouts (
    -- Belongs to the number, not to a contact: no contact need have it.
    msisdn TEXT NOT NULL PRIMARY KEY CHECK (length(CAST(msisdn AS BLOB)) BETWEEN 7 AND 15),
    -- Milliseconds since 1970, UTC.
    created_on INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- For the list of opt-outs, the oldest first.
CREATE INDEX optouts_by_created_on ON optouts (created_on);

CREATE TABLE groups (
    -- UUID version 7, as a contact's.
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    -- By the rules of an alias. A deleted group has none: it is free at once.
    name TEXT UNIQUE CHECK (length(CAST(name AS BLOB)) BETWEEN 1 AND 512),
    -- How many memberships it has, kept by every transaction that changes some.
    members INTEGER NOT NULL DEFAULT 0 CHECK (members >= 0),
    -- Milliseconds since 1970, UTC; null is not deleted. A deleted group exists
    -- for nobody; the row goes once its memberships are swept away.
    deleted_on INTEGER,
    CHECK ((name IS NULL) = (deleted_on IS NOT NULL))
) STRICT, WITHOUT ROWID;

CREATE TABLE memberships (
    group_id BLOB NOT NULL REFERENCES groups (id),
    contact_id BLOB NOT NULL REFERENCES contacts (id),
    -- The order of a group's members is that of their creation.
    PRIMARY KEY (group_id, contact_id)
) STRICT, WITHOUT ROWID;

-- For the groups of one contact, and for its deletion.
CREATE INDEX memberships_by_contact ON memberships (contact_id, group_id);

-- How many rows a table has, kept by every transaction that adds or removes
-- some: counting a million rows takes longer than a whole page of them.
CREATE TABLE counters (
    name TEXT NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL CHECK (value >= 0)
) STRICT, WITHOUT ROWID;

INSERT INTO counters (name, value)
VALUES ('contacts', 0), ('optouts', 0), ('api_keys', 0), ('audit', 0), ('groups', 0);

-- What ties a -wal to the file that it belongs to: each begins with a new mark, and
-- names the one that the file had then.
CREATE TABLE wal_marks (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    base INTEGER NOT NULL,
    mark INTEGER NOT NULL
) STRICT;

INSERT INTO wal_marks (id, base, mark) VALUES (1, 0, 0);

CREATE TABLE api_keys (
    -- The 12 characters inside the token.
    id TEXT NOT NULL PRIMARY KEY CHECK (length(CAST(id AS BLOB)) = 12),
    name TEXT NOT NULL CHECK (length(CAST(name AS BLOB)) BETWEEN 1 AND 512),
    -- PHC string of argon2id over everything in the token before its checksum.
    hash TEXT NOT NULL,
    -- First 4 bytes of a SHA-256 of the same: turns a wrong secret away before argon2.
    tag BLOB NOT NULL CHECK (length(tag) = 4),
    -- Names separated by one space, as the scope of RFC 6749.
    permissions TEXT NOT NULL,
    -- Milliseconds since 1970, UTC, all three; null is never.
    created_on INTEGER NOT NULL,
    expires_on INTEGER,
    revoked_on INTEGER,
    -- Ranges in CIDR notation separated by one space; empty is from anywhere.
    allowed_ips TEXT NOT NULL DEFAULT '',
    -- Requests a second; null is no limit.
    rate_limit INTEGER CHECK (rate_limit > 0),
    -- To the minute, so that not every request writes.
    last_used_on INTEGER,
    -- The id of the key that this one was rotated to.
    replaced_by TEXT,
    -- The id of the key that made this one; null is the command line.
    created_by TEXT,
    -- What its rows of idempotency take, kept by every transaction that changes some.
    responses_bytes INTEGER NOT NULL DEFAULT 0 CHECK (responses_bytes >= 0)
) STRICT, WITHOUT ROWID;

-- Who is signed in at a browser, in the place of a key.
CREATE TABLE sessions (
    -- SHA-256 of the 256 random bits in the browser's cookie: who reads the file has
    -- nothing to send.
    hash BLOB NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    key_id TEXT NOT NULL REFERENCES api_keys (id),
    -- The key's hash when the session was opened: with another one it is over.
    key_hash TEXT NOT NULL,
    -- Milliseconds since 1970, UTC, both. A key that ends earlier ends its sessions.
    created_on INTEGER NOT NULL,
    expires_on INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Finds the oldest of a key, which end where there are too many.
CREATE INDEX sessions_by_key ON sessions (key_id, created_on);

-- Finds those that are over, which are forgotten.
CREATE INDEX sessions_by_expires_on ON sessions (expires_on);

-- Answers to requests that may be retried, remembered for 24 hours.
CREATE TABLE idempotency (
    key_id TEXT NOT NULL,
    -- What the client sent as Idempotency-Key.
    name TEXT NOT NULL CHECK (length(CAST(name AS BLOB)) BETWEEN 1 AND 255),
    -- SHA-256 of the request: another one under the same name is an error.
    fingerprint BLOB NOT NULL CHECK (length(fingerprint) = 32),
    -- Milliseconds since 1970, UTC.
    created_on INTEGER NOT NULL,
    status INTEGER NOT NULL,
    etag TEXT,
    body BLOB NOT NULL,
    -- Whether the body is in the zlib format (RFC 1950).
    is_deflated INTEGER NOT NULL DEFAULT 0 CHECK (is_deflated IN (0, 1)),
    PRIMARY KEY (key_id, name)
) STRICT;

-- Finds the oldest, which are forgotten.
CREATE INDEX idempotency_by_created_on ON idempotency (created_on);

CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    -- Milliseconds since 1970, UTC.
    created_on INTEGER NOT NULL,
    action TEXT NOT NULL,
    -- The id of the key that acted; null is the command line.
    actor TEXT,
    -- The id of the key that it happened to.
    target TEXT,
    -- Only of refused permissions, of which the newest are kept.
    permission TEXT,
    -- From where; null is the command line.
    address TEXT,
    -- JSON object: what of a key became what, {"rate_limit":{"from":5,"to":null}}.
    changes TEXT
) STRICT;

-- Finds the oldest refusals among changes of keys, which are kept for ever.
CREATE INDEX audit_refusals ON audit (id) WHERE permission IS NOT NULL;

-- Finds the oldest opened sessions, of which the newest are kept.
CREATE INDEX audit_sessions ON audit (id) WHERE action = 'session.opened';
