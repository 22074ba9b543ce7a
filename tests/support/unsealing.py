"""Whoever has the folder and the master key: opens all that can be opened with what is left."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw

from engine import crypto
from engine.crypto import UnsealError
from engine.log import codec
from persistence.records import StoredRecord, Stream
from tests.support.data_folder import contents

WRAPPED_BYTES = crypto.NONCE_BYTES + crypto.KEY_BYTES + 16
PURPOSES = (
    *("subject keys", "cursors", "external ids", "ephemeral keys", "page tokens"),
    "erasures",
)


@dataclass(frozen=True)
class Thief:
    """The folder and its master key, in the wrong hands."""

    folder: Path
    master_key: bytes

    def plain(self) -> Iterator[bytes]:
        """Yield the plain text of every record and document that any key opens."""
        for environment in self._environments():
            keys = [*self._keys_of(environment).values(), *self._derived(environment)]
            name = f"{environment.parent.name}/{environment.name}".encode()
            for event_id, body in _rows(
                environment / "log.db", "SELECT event_id, body FROM records"
            ):
                record = StoredRecord(0, Stream("", ""), 0, event_id, body)
                yield body
                sealed = codec.head_of(record).sealed
                yield from _opened(keys, sealed, name + b"\0" + event_id)
            for key, document in _rows(
                environment / "documents.db", "SELECT key, document FROM documents"
            ):
                yield from _opened(keys, document, key.encode())

    def names(self) -> set[tuple[str, str]]:
        """Return (environment, name) of every subject key that can be had by its row."""
        return {
            (environment.name, name)
            for environment in self._environments()
            for name in self._keys_of(environment)
        }

    def carved(self, *names: str) -> set[tuple[str, str]]:
        """Return (file, name) of every key of these names that lies in a file, at any offset.

        Not in those of the log, where none is ever written: they are large, and this is slow.
        """
        found = set()
        for environment in self._environments():
            wrapping = self._derived(environment)[0]
            prefix = f"{environment.parent.name}/{environment.name}/"
            for file, data in contents(self.folder).items():
                if file.startswith(prefix) and not file.startswith(f"{prefix}log.db"):
                    found |= {(file, name) for name in names if _lies_in(data, wrapping, name)}
        return found

    def _environments(self) -> list[Path]:
        return sorted(path.parent for path in self.folder.glob("ws_*/*/log.db"))

    def _workspace_key(self, workspace: Path) -> bytes:
        rows = dict(_rows(workspace / "workspace" / "keys.db", "SELECT * FROM subject_keys"))
        return crypto.unseal(self.master_key, rows["workspace key"], workspace.name.encode())

    def _derived(self, environment: Path) -> list[bytes]:
        """Return the key that wraps those of subjects, and every other one of the environment."""
        workspace_key = self._workspace_key(environment.parent)
        own = crypto.derive(workspace_key, "environment", environment.name)
        purposes = [crypto.derive(own, purpose) for purpose in PURPOSES]
        return [*purposes, own, workspace_key, self.master_key]

    def _keys_of(self, environment: Path) -> dict[str, bytes]:
        wrapping = self._derived(environment)[0]
        rows = _rows(environment / "keys.db", "SELECT subject, wrapped FROM subject_keys")
        return {
            subject: crypto.unseal(wrapping, wrapped, subject.encode())
            for subject, wrapped in rows
            if not subject.startswith("workspace key")
        }


def _lies_in(data: bytes, wrapping: bytes, name: str) -> bool:
    place = name.encode()
    return any(
        _opens(wrapping, data[at : at + WRAPPED_BYTES], place)
        for at in range(len(data) - WRAPPED_BYTES + 1)
    )


def _opens(key: bytes, sealed: bytes, place: bytes) -> bool:
    return any(True for _ in _opened([key], sealed, place))


def _opened(keys: list[bytes], sealed: bytes, place: bytes) -> Iterator[bytes]:
    for key in keys:
        try:
            yield crypto.unseal(key, sealed, place)
        except UnsealError:
            continue


def _rows(file: Path, statement: str) -> list[tuple[Any, bytes]]:
    connection = apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return list(connection.execute(statement))
    finally:
        connection.close()
