SELECT * FROM seen_records WHERE position > ? ORDER BY position LIMIT ?
