DELETE FROM snapshots WHERE kind = ? AND name = ?
