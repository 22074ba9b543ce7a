INSERT INTO snapshots (kind, name, version, body) VALUES (?, ?, ?, ?)
ON CONFLICT (kind, name) DO UPDATE SET version = excluded.version, body = excluded.body
