SELECT document FROM documents WHERE key = ? AND expires_ms > ?
