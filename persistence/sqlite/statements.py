"""Every SQL statement of this backend, read once from ``queries/`` and ``schema/``."""

from importlib.resources import files

_FOLDER = files("persistence.sqlite")


def _query(name: str) -> str:
    return (_FOLDER / "queries" / f"{name}.sql").read_text(encoding="utf-8")


def _page(name: str) -> str:
    """Return the statement that packs the records which a query selects into one row."""
    return _query("page").replace("{records}", _query(name))


def migrations(database: str) -> tuple[str, ...]:
    """Return the scripts of ``schema/<database>/`` in the order of their numbers."""
    scripts = sorted((_FOLDER / "schema" / database).iterdir(), key=lambda script: script.name)
    return tuple(script.read_text(encoding="utf-8") for script in scripts)


DELETE_EXPIRED_DOCUMENTS = _query("delete_expired_documents")
DELETE_KEY = _query("delete_key")
DELETE_SNAPSHOT = _query("delete_snapshot")
DELETE_SNAPSHOTS = _query("delete_snapshots")
FIND_DOCUMENT = _query("find_document")
FIND_KEY = _query("find_key")
FIND_POSITION = _query("find_position")
FIND_RECORD = _query("find_record")
FIND_SNAPSHOT = _query("find_snapshot")
INSERT_KEY = _query("insert_key")
INSERT_RECORD = _query("insert_record")
INSERT_STREAM = _query("insert_stream")
PUT_DOCUMENT = _query("put_document")
PUT_SNAPSHOT = _query("put_snapshot")
READ_ABOUT = _page("read_about")
READ_DOCUMENT = _query("read_document")
READ_ENDS = _query("read_ends")
READ_EPOCH = _query("read_epoch")
READ_FEED = _page("read_feed")
READ_HEAD = _query("read_head")
READ_STREAM = _page("read_stream")
READ_STREAM_NEWEST_FIRST = _page("read_stream_newest_first")
SET_EPOCH = _query("set_epoch")
