CREATE INDEX contacts_by_msisdn ON contacts (msisdn);

CREATE TABLE optouts (
    msisdn TEXT NOT NULL PRIMARY KEY CHECK (length(CAST(msisdn AS BLOB)) BETWEEN 7 AND 15),
    created_on INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX optouts_by_created_on ON optouts (created_on);

CREATE TABLE counters (
    name TEXT NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL CHECK (value >= 0)
) STRICT, WITHOUT ROWID;

INSERT INTO counters (name, value)
VALUES ('contacts', (SELECT count(*) FROM contacts)), ('optouts', 0);
