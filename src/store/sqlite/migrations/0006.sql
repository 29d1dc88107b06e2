ALTER TABLE api_keys ADD COLUMN created_by TEXT;

ALTER TABLE audit ADD COLUMN address TEXT;

ALTER TABLE audit ADD COLUMN changes TEXT;

ALTER TABLE api_keys ADD COLUMN responses_bytes INTEGER NOT NULL DEFAULT 0 CHECK (responses_bytes >= 0);

UPDATE api_keys SET responses_bytes =
    (SELECT ifnull(sum(160 + 2 * length(name) + length(body)), 0) FROM idempotency
        WHERE key_id = api_keys.id);

ALTER TABLE idempotency ADD COLUMN is_deflated INTEGER NOT NULL DEFAULT 0 CHECK (is_deflated IN (0, 1));

CREATE TABLE wal_marks (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    base INTEGER NOT NULL,
    mark INTEGER NOT NULL
) STRICT;

INSERT INTO wal_marks (id, base, mark) VALUES (1, 0, 0);
