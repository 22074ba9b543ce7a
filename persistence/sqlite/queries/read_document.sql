SELECT document FROM documents WHERE key = ?
