ALTER TABLE api_keys ADD COLUMN allowed_ips TEXT NOT NULL DEFAULT '';
ALTER TABLE api_keys ADD COLUMN rate_limit INTEGER CHECK (rate_limit > 0);
ALTER TABLE api_keys ADD COLUMN last_used_on INTEGER;
ALTER TABLE api_keys ADD COLUMN replaced_by TEXT;

CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    created_on INTEGER NOT NULL,
    action TEXT NOT NULL,
    actor TEXT,
    target TEXT,
    permission TEXT
) STRICT;

CREATE INDEX audit_refusals ON audit (id) WHERE permission IS NOT NULL;

INSERT INTO counters (name, value)
VALUES ('api_keys', (SELECT count(*) FROM api_keys)), ('audit', 0);
