INSERT INTO records (position, stream, version, event_id, body, about, withdraws)
VALUES (?, ?, ?, ?, ?, ?, ?)
