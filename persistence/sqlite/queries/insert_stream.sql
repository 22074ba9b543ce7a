INSERT INTO streams (id, kind, name) VALUES (?, ?, ?)
