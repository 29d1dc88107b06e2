ALTER TABLE contacts ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;

UPDATE contacts SET checksum = contact_checksum(id, alias, msisdn, meta, updated_on);
