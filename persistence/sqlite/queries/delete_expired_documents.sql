DELETE FROM documents
WHERE key IN (SELECT key FROM documents WHERE expires_ms <= ? ORDER BY expires_ms LIMIT ?)
