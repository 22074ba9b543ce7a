"""The master key's file: it wraps every other key, and without it nothing can be read."""

import base64
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from engine import crypto
from gateway.config import UnsafeSettingsError

FILE_NAME = "master.key"


def read(path: Path) -> bytes:
    """Return the 32 bytes in a key file.

    Raises:
        UnsafeSettingsError: it is missing, readable by others, or no key.
    """
    try:
        mode = path.stat().st_mode
        text = path.read_bytes()
    except OSError as error:
        raise UnsafeSettingsError(f"the master key {path} cannot be read: {error}") from error
    if stat.S_IMODE(mode) & 0o077:
        raise UnsafeSettingsError(f"others can read the master key: chmod 600 {path}")
    try:
        key = base64.b64decode(text, validate=False)
    except ValueError:
        key = b""
    if len(key) != crypto.KEY_BYTES:
        raise UnsafeSettingsError(f"{path} does not hold 32 bytes in base64")
    return key


def read_or_make(folder: Path) -> bytes:
    """Return the key in a sandbox's data folder, made on first use (durably, mode 0600).

    Two first starts at once get the same key: the one whose file came first.

    Raises:
        UnsafeSettingsError: the folder cannot be written to, or what lies there is no key.
    """
    path = folder / FILE_NAME
    if not path.exists():
        try:
            _make(folder, path)
        except OSError as error:
            detail = f"the data folder {folder} cannot be used: {error.strerror or error}"
            raise UnsafeSettingsError(detail) from error
    return read(path)


def _make(folder: Path, path: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _sync(folder.parent)
    descriptor, made = tempfile.mkstemp(prefix=FILE_NAME, dir=folder)  # made with mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(base64.b64encode(crypto.new_key()) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(made, path)
    finally:
        Path(made).unlink()
    _sync(folder)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
