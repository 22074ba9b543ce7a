ALTER TABLE records ADD COLUMN about BLOB;

ALTER TABLE records ADD COLUMN withdraws INTEGER NOT NULL DEFAULT 0;

CREATE INDEX records_by_about ON records (about, withdraws) WHERE about IS NOT NULL;

CREATE VIEW seen_records AS
SELECT
    position,
    stream,
    kind,
    name,
    version,
    event_id,
    body,
    about,
    (
        SELECT max(1 + later.withdraws)
        FROM records AS later
        WHERE later.about = coalesce(records.about, records.event_id)
            AND later.position > records.position
    ) AS fate
FROM records
JOIN streams ON streams.id = records.stream;
