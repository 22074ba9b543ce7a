SELECT
    json_group_array(position),
    json_group_array(kind),
    json_group_array(name),
    json_group_array(version),
    json_group_array(length(body)),
    json_group_array(hex(about)),
    json_group_array(fate),
    CAST(group_concat(event_id, '') AS BLOB),
    CAST(group_concat(body, '') AS BLOB)
FROM ({records})
