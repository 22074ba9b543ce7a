SELECT position, kind, name, version, event_id, body
FROM records
JOIN streams ON streams.id = records.stream
WHERE event_id = ?
