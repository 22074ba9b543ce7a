SELECT
    coalesce((SELECT max(position) FROM records), 0),
    coalesce((SELECT max(id) FROM streams), 0)
