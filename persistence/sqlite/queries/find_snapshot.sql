SELECT version, body FROM snapshots WHERE kind = ? AND name = ?
