SELECT position, kind, name, version, event_id, body, about, fate
FROM seen_records
WHERE event_id = ?
