SELECT *
FROM seen_records
WHERE about IN (SELECT unhex(value) FROM json_each(?)) AND position > ?
ORDER BY position
LIMIT ?
