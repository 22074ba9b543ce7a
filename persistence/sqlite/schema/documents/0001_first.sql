CREATE TABLE documents (
    key TEXT PRIMARY KEY,
    document BLOB NOT NULL,
    expires_ms INTEGER NOT NULL
) STRICT;

CREATE INDEX documents_by_expiry ON documents (expires_ms);
