CREATE TABLE groups (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    name TEXT UNIQUE CHECK (length(CAST(name AS BLOB)) BETWEEN 1 AND 512),
    members INTEGER NOT NULL DEFAULT 0 CHECK (members >= 0),
    deleted_on INTEGER,
    CHECK ((name IS NULL) = (deleted_on IS NOT NULL))
) STRICT, WITHOUT ROWID;

CREATE TABLE memberships (
    group_id BLOB NOT NULL REFERENCES groups (id),
    contact_id BLOB NOT NULL REFERENCES contacts (id),
    PRIMARY KEY (group_id, contact_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX memberships_by_contact ON memberships (contact_id, group_id);

INSERT INTO counters (name, value) VALUES ('groups', 0);
