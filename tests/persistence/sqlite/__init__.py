"""Files, settings, threads and failures of the SQLite backend."""
