ALTER TABLE records ADD COLUMN about BLOB;

CREATE INDEX records_by_about ON records (about) WHERE about IS NOT NULL;
