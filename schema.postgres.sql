-- The whole schema of an address book on PostgreSQL: one schema is one address book.
-- The same tables as in schema.sql, under the same number; what differs has its reason.
--
-- Every text that is compared or sorted is COLLATE "C": byte by byte, the same on every
-- machine and in every version of its library.

-- Which schema; a newer one is refused untouched.
CREATE TABLE book (
    id smallint NOT NULL PRIMARY KEY CHECK (id = 1),
    schema_version integer NOT NULL
);

INSERT INTO book (id, schema_version) VALUES (1, 8);

CREATE TABLE contacts (
    -- UUID version 7: its first 48 bits are the millisecond of creation. Several servers
    -- make them, so their order is not the order of the commits.
    id uuid NOT NULL,
    -- Trimmed, NFC, 1 to 128 characters. The primary key, and not the id: a sharded table
    -- is distributed by it, and can have no other unique column.
    alias text COLLATE "C" NOT NULL PRIMARY KEY CHECK (octet_length(alias) BETWEEN 1 AND 512),
    -- Digits alone, 7 to 15. Not unique.
    msisdn text COLLATE "C" NOT NULL CHECK (octet_length(msisdn) BETWEEN 7 AND 15),
    -- Compact JSON object. Not jsonb, which would sort the members and round the numbers.
    meta json NOT NULL CHECK (octet_length(meta::text) BETWEEN 2 AND 16384),
    -- Milliseconds since 1970, UTC.
    updated_on bigint NOT NULL
);

-- For gets by id, and for lists by creation.
CREATE INDEX contacts_by_id ON contacts (id);

-- For lists by number and deletes by number.
CREATE INDEX contacts_by_msisdn ON contacts (msisdn, id);

CREATE TABLE optouts (
    -- Belongs to the number, not to a contact: no contact need have it.
    msisdn text COLLATE "C" NOT NULL PRIMARY KEY CHECK (octet_length(msisdn) BETWEEN 7 AND 15),
    -- Milliseconds since 1970, UTC.
    created_on bigint NOT NULL
);

-- For the list of opt-outs, the oldest first.
CREATE INDEX optouts_by_created_on ON optouts (created_on, msisdn);

CREATE TABLE groups (
    -- UUID version 7, as a contact's.
    id uuid NOT NULL PRIMARY KEY,
    -- By the rules of an alias. A deleted group has none: it is free at once.
    name text COLLATE "C" UNIQUE CHECK (octet_length(name) BETWEEN 1 AND 512),
    -- Milliseconds since 1970, UTC; null is not deleted. A deleted group exists
    -- for nobody; the row goes once its memberships are swept away.
    deleted_on bigint,
    CHECK ((name IS NULL) = (deleted_on IS NOT NULL))
);

CREATE TABLE memberships (
    group_id uuid NOT NULL REFERENCES groups (id),
    -- Beside the id, so that it stands on the shard of its contact.
    alias text COLLATE "C" NOT NULL REFERENCES contacts (alias),
    contact_id uuid NOT NULL,
    PRIMARY KEY (alias, group_id)
);

-- The order of a group's members is that of their creation.
CREATE INDEX memberships_by_group ON memberships (group_id, contact_id);

-- How many rows a table has, kept by every transaction that adds or removes some.
-- The sum over the slots is exact; one row for all would have every writer wait for
-- the commit of the one before. A slot by itself may be below zero.
CREATE TABLE counters (
    name text COLLATE "C" NOT NULL,
    slot smallint NOT NULL,
    value bigint NOT NULL,
    PRIMARY KEY (name, slot)
) WITH (fillfactor = 50);

INSERT INTO counters (name, slot, value)
SELECT name, slot, 0
FROM unnest(ARRAY['contacts', 'optouts', 'api_keys', 'audit', 'groups']) AS counted (name),
    generate_series(0, 15) AS slots (slot);

-- How many members a group has, spread in the same way.
CREATE TABLE group_counts (
    group_id uuid NOT NULL,
    slot smallint NOT NULL,
    members bigint NOT NULL,
    PRIMARY KEY (group_id, slot)
) WITH (fillfactor = 50);

CREATE TABLE api_keys (
    -- The 12 characters inside the token.
    id text COLLATE "C" NOT NULL PRIMARY KEY CHECK (octet_length(id) = 12),
    name text COLLATE "C" NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 512),
    -- PHC string of argon2id over everything in the token before its checksum.
    hash text COLLATE "C" NOT NULL,
    -- First 4 bytes of a SHA-256 of the same: turns a wrong secret away before argon2.
    tag bytea NOT NULL CHECK (octet_length(tag) = 4),
    -- Names separated by one space, as the scope of RFC 6749.
    permissions text COLLATE "C" NOT NULL,
    -- Milliseconds since 1970, UTC, all three; null is never.
    created_on bigint NOT NULL,
    expires_on bigint,
    revoked_on bigint,
    -- Ranges in CIDR notation separated by one space; empty is from anywhere.
    allowed_ips text COLLATE "C" NOT NULL DEFAULT '',
    -- Requests a second; null is no limit.
    rate_limit bigint CHECK (rate_limit > 0),
    -- The id of the key that this one was rotated to.
    replaced_by text COLLATE "C",
    -- The id of the key that made this one; null is the command line.
    created_by text COLLATE "C"
);

-- When keys were last used, to the minute. Not in the key's row, which every request
-- reads: it changes only where the key does.
CREATE TABLE key_uses (
    key_id text COLLATE "C" NOT NULL PRIMARY KEY,
    last_used_on bigint NOT NULL
);

-- Who is signed in at a browser, in the place of a key.
CREATE TABLE sessions (
    -- SHA-256 of the 256 random bits in the browser's cookie: who reads the table has
    -- nothing to send.
    hash bytea NOT NULL PRIMARY KEY CHECK (octet_length(hash) = 32),
    key_id text COLLATE "C" NOT NULL REFERENCES api_keys (id),
    -- The key's hash when the session was opened: with another one it is over.
    key_hash text COLLATE "C" NOT NULL,
    -- Milliseconds since 1970, UTC, both. A key that ends earlier ends its sessions.
    created_on bigint NOT NULL,
    expires_on bigint NOT NULL
);

-- Finds the oldest of a key, which end where there are too many.
CREATE INDEX sessions_by_key ON sessions (key_id, created_on);

-- Finds those that are over, which are forgotten.
CREATE INDEX sessions_by_expires_on ON sessions (expires_on);

-- Answers to requests that may be retried, remembered for 24 hours.
CREATE TABLE idempotency (
    key_id text COLLATE "C" NOT NULL,
    -- What the client sent as Idempotency-Key.
    name text COLLATE "C" NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 255),
    -- SHA-256 of the request: another one under the same name is an error.
    fingerprint bytea NOT NULL CHECK (octet_length(fingerprint) = 32),
    -- Milliseconds since 1970, UTC.
    created_on bigint NOT NULL,
    status smallint NOT NULL,
    etag text COLLATE "C",
    body bytea NOT NULL,
    -- Whether the body is in the zlib format (RFC 1950).
    is_deflated boolean NOT NULL DEFAULT false,
    PRIMARY KEY (key_id, name)
);

-- Finds the oldest, which are forgotten.
CREATE INDEX idempotency_by_created_on ON idempotency (created_on);

-- What the remembered answers of a key take, spread as the counters are.
CREATE TABLE response_counts (
    key_id text COLLATE "C" NOT NULL,
    slot smallint NOT NULL,
    bytes bigint NOT NULL,
    PRIMARY KEY (key_id, slot)
) WITH (fillfactor = 50);

CREATE TABLE audit (
    -- Given out under a lock that is held until the commit: the order of ids is the
    -- order of commits.
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    -- Milliseconds since 1970, UTC.
    created_on bigint NOT NULL,
    action text COLLATE "C" NOT NULL,
    -- The id of the key that acted; null is the command line.
    actor text COLLATE "C",
    -- The id of the key that it happened to.
    target text COLLATE "C",
    -- Only of refused permissions, of which the newest are kept.
    permission text COLLATE "C",
    -- From where; null is the command line.
    address text COLLATE "C",
    -- JSON object: what of a key became what, {"rate_limit":{"from":5,"to":null}}.
    changes text COLLATE "C"
);

-- Finds the oldest refusals among changes of keys, which are kept for ever.
CREATE INDEX audit_refusals ON audit (id) WHERE permission IS NOT NULL;

-- Finds the oldest opened sessions, of which the newest are kept.
CREATE INDEX audit_sessions ON audit (id) WHERE action = 'session.opened';
