SELECT position, kind, name, version, event_id, body, about,
    EXISTS (
        SELECT 1
        FROM records AS later
        WHERE later.about = coalesce(records.about, records.event_id)
            AND later.position > records.position
    )
FROM records
JOIN streams ON streams.id = records.stream
WHERE event_id = ?
