SELECT
    json_group_array(position),
    json_group_array(kind),
    json_group_array(name),
    json_group_array(version),
    json_group_array(length(body)),
    json_group_array(hex(about)),
    json_group_array(outdated),
    CAST(group_concat(event_id, '') AS BLOB),
    CAST(group_concat(body, '') AS BLOB)
FROM (
    SELECT position, kind, name, version, event_id, body, about, EXISTS (
        SELECT 1
        FROM records AS later
        WHERE later.about = coalesce(records.about, records.event_id)
            AND later.position > records.position
    ) AS outdated
    FROM records
    JOIN streams ON streams.id = records.stream
    WHERE stream = (SELECT id FROM streams WHERE kind = ? AND name = ?)
        AND version > ?
        AND version < ?
    ORDER BY version
    LIMIT ?
)
