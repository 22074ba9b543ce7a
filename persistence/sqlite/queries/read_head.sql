SELECT
    id,
    coalesce((SELECT max(version) FROM records WHERE stream = streams.id), 0)
FROM streams
WHERE kind = ? AND name = ?
