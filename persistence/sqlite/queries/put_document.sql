INSERT INTO documents (key, document, expires_ms)
VALUES (?, ?, ?)
ON CONFLICT (key) DO UPDATE
SET document = excluded.document, expires_ms = excluded.expires_ms
WHERE documents.expires_ms <= ?
