SELECT *
FROM seen_records
WHERE stream = (SELECT id FROM streams WHERE kind = ? AND name = ?)
    AND version > ?
    AND version < ?
ORDER BY version DESC
LIMIT ?
