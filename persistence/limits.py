"""Every bound of the storage seam, with its unit and its reason, and the checks of arguments.

Every backend calls the same checks, so that none of them takes what another would refuse.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from persistence.records import EVENT_ID_BYTES, Draft, Snapshot, StreamWrite

BODY_BYTES_MAX = 128 * 1024
"""One stored record. A message's data is at most 64 KiB; the rest is envelope and other kinds."""

WRITES_PER_SUBMIT_MAX = 64
"""Streams one atomic submit may touch; larger sets belong in a task with keyed rows."""

DRAFTS_PER_WRITE_MAX = 256
"""Drafts of one stream in one submit."""

PENDING_ROWS_MAX = 8_192
"""Rows that may wait in memory for the next commit; beyond it submits are refused, not dropped."""

PENDING_BYTES_MAX = 64 * 1024 * 1024
"""Bytes that may wait in memory for the next commit."""

COMMIT_ROWS_MAX = 1_024
"""Rows of one group commit: at about 4 µs a row the loop is held for about 4 ms at the most."""

COMMIT_BYTES_MAX = 4 * 1024 * 1024
"""Bytes of one group commit, for the same reason; a larger submit is a commit of its own."""

READ_RECORDS_MAX = 256
"""Records of one page; with bodies at their limit a page is 32 MiB at the most."""

HEADS_REMEMBERED = 65_536
"""Stream heads kept in memory (about 200 B each); the others are read from the index."""

DOCUMENT_BYTES_MAX = 256 * 1024
"""One document."""

DOCUMENT_KEY_CHARACTERS_MAX = 200

SNAPSHOT_BYTES_MAX = 1024 * 1024
"""One snapshot. The largest state with all the keys it remembers is about 500 KiB."""

SNAPSHOTS_PER_PUT_MAX = 64
"""Snapshots of one put: each holds its bytes in memory until it is written."""

LEDGER_ENTRY_BYTES_MAX = 4 * 1024
"""One entry of a ledger: ids, times and a sealed reason."""

SUBJECT_CHARACTERS_MAX = 200
"""The name of one data subject."""

VIEW_KEY_CHARACTERS_MAX = 200
"""The key of one row of a view: an id."""

VIEW_TEXT_CHARACTERS_MAX = 1_000
"""One text in a view: an id, a hash, a word of the house."""

VIEW_BYTES_MAX = 64 * 1024
"""One sealed value in a view."""

VIEW_CHANGES_MAX = 8_192
"""Changes of one write to a view: about 50 ms of its thread."""

VIEW_ROWS_MAX = 1_024
"""Rows of one read of a view."""

VIEW_GROUPS_MAX = 1_024
"""Groups of one count."""

VIEW_VALUES_MAX = 16_384
"""Values that one condition may list."""

VIEW_COLUMNS_MAX = 64

ENVIRONMENT_NAME: Final = re.compile(r"[a-z0-9_]{1,64}")
"""The name of a workspace or of an environment: it is a folder on disk as it stands."""


def check_writes(writes: Sequence[StreamWrite]) -> tuple[int, int]:
    """Return how many rows and how many bytes of bodies ``writes`` hold.

    Raises:
        ValueError: They break a limit, repeat a stream, or repeat an event id.
    """
    if not 1 <= len(writes) <= WRITES_PER_SUBMIT_MAX:
        message = f"{len(writes)} writes: a submit has 1 to {WRITES_PER_SUBMIT_MAX}"
        raise ValueError(message)
    rows = size = 0
    for write in writes:
        rows += len(write.drafts)
        size += _check_drafts(write.drafts)
    if rows > 1:
        _check_once(writes, rows)
    if rows > PENDING_ROWS_MAX or size > PENDING_BYTES_MAX:
        message = f"{rows} rows of {size} bytes can never wait for one commit"
        raise ValueError(message)
    return rows, size


def _check_once(writes: Sequence[StreamWrite], rows: int) -> None:
    if len({write.stream for write in writes}) != len(writes):
        message = "a stream is written twice in one submit"
        raise ValueError(message)
    if len({draft.event_id for write in writes for draft in write.drafts}) != rows:
        message = "an event id is used twice in one submit"
        raise ValueError(message)


def _check_drafts(drafts: tuple[Draft, ...]) -> int:
    if not 1 <= len(drafts) <= DRAFTS_PER_WRITE_MAX:
        message = f"{len(drafts)} drafts: a write has 1 to {DRAFTS_PER_WRITE_MAX}"
        raise ValueError(message)
    size = 0
    for draft in drafts:
        body, about = draft.body, draft.about
        if not (_is_event_id(draft.event_id) and (about is None or _is_event_id(about))):
            message = f"an event id is {EVENT_ID_BYTES} bytes"
            raise ValueError(message)
        if type(body) is not bytes or len(body) > BODY_BYTES_MAX:
            message = f"a body is at most {BODY_BYTES_MAX} bytes"
            raise ValueError(message)
        size += len(body)
    return size


def _is_event_id(value: object) -> bool:
    return type(value) is bytes and len(value) == EVENT_ID_BYTES


def check_page(after: int, limit: int) -> None:
    """Raise ``ValueError`` unless ``after >= 0`` and ``1 <= limit <= READ_RECORDS_MAX``."""
    if after < 0 or not 1 <= limit <= READ_RECORDS_MAX:
        message = f"a page begins at 0 or later and has 1 to {READ_RECORDS_MAX} records"
        raise ValueError(message)


def check_event_ids(event_ids: Sequence[bytes]) -> None:
    """Raise ``ValueError`` for more than ``READ_RECORDS_MAX`` ids, or one that is none."""
    if len(event_ids) > READ_RECORDS_MAX or not all(map(_is_event_id, event_ids)):
        message = f"give at most {READ_RECORDS_MAX} event ids of {EVENT_ID_BYTES} bytes"
        raise ValueError(message)


def check_document(key: str, document: bytes) -> None:
    """Raise ``ValueError`` if the key or the document is too long, or the key is empty."""
    if not 1 <= len(key) <= DOCUMENT_KEY_CHARACTERS_MAX:
        message = f"a document's key has 1 to {DOCUMENT_KEY_CHARACTERS_MAX} characters"
        raise ValueError(message)
    if len(document) > DOCUMENT_BYTES_MAX:
        message = f"a document is at most {DOCUMENT_BYTES_MAX} bytes"
        raise ValueError(message)


def check_snapshots(snapshots: Sequence[Snapshot]) -> None:
    """Raise ``ValueError`` for too many of them, one too long, or one of no version."""
    if len(snapshots) > SNAPSHOTS_PER_PUT_MAX:
        message = f"at most {SNAPSHOTS_PER_PUT_MAX} snapshots are put at once"
        raise ValueError(message)
    if any(one.version < 1 or len(one.body) > SNAPSHOT_BYTES_MAX for one in snapshots):
        message = f"a snapshot has version 1 or above and at most {SNAPSHOT_BYTES_MAX} bytes"
        raise ValueError(message)


def check_subjects(subjects: Iterable[str]) -> None:
    """Raise ``ValueError`` if one of the names is empty or too long."""
    if not all(1 <= len(subject) <= SUBJECT_CHARACTERS_MAX for subject in subjects):
        message = f"a subject has 1 to {SUBJECT_CHARACTERS_MAX} characters"
        raise ValueError(message)


def check_ledger_entry(entry: bytes) -> None:
    """Raise ``ValueError`` if an entry is empty, too long, or more than one line."""
    if not 1 <= len(entry) <= LEDGER_ENTRY_BYTES_MAX or len(entry.splitlines()) != 1:
        message = f"an entry is one line of 1 to {LEDGER_ENTRY_BYTES_MAX} bytes"
        raise ValueError(message)
    if entry.endswith((b"\n", b"\r")):
        message = "an entry holds no line break"
        raise ValueError(message)


def check_environment(workspace: str, environment: str) -> None:
    """Raise ``ValueError`` if one of the names could not be a folder of its own."""
    for name in (workspace, environment):
        if ENVIRONMENT_NAME.fullmatch(name) is None:
            message = f"{name!r}: a name has 1 to 64 characters of a-z, 0-9 and _"
            raise ValueError(message)
