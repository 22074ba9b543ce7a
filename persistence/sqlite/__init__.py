"""Storage on one machine: a folder of SQLite files for each environment."""

from persistence.sqlite.store import SqliteStore, SqliteStores

__all__ = ["SqliteStore", "SqliteStores"]
