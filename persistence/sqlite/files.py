"""Folders and files that only their owner may read, and the lock of the data folder."""

import fcntl
import os
from pathlib import Path

from persistence.errors import StoreLockedError, StoreUnavailableError

FOLDER_MODE = 0o700
FILE_MODE = 0o600


def make_folder(path: Path) -> None:
    """Make ``path`` and its parents, private and durable; tighten the mode of one that is there."""
    if not path.is_dir():
        make_parent_of(path)
        path.mkdir(mode=FOLDER_MODE, exist_ok=True)
        _sync_folder(path.parent)
    path.chmod(FOLDER_MODE)


def make_parent_of(path: Path) -> None:
    """Make the folders above ``path`` that are missing; those that are there stay as they are."""
    if not path.parent.is_dir():
        make_folder(path.parent)


def make_file(path: Path) -> None:
    """Make ``path`` if it is missing. SQLite gives its side files the mode of this one."""
    if path.exists():
        path.chmod(FILE_MODE)
        return
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, FILE_MODE))
    _sync_folder(path.parent)


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class FolderLock:
    """An exclusive lock on a folder, held by an open file and so given back when we die."""

    def __init__(self, folder: Path) -> None:
        """Lock nothing yet."""
        self._folder = folder
        self._descriptor: int | None = None

    @property
    def is_held(self) -> bool:
        """Whether this object holds the folder."""
        return self._descriptor is not None

    def take(self) -> None:
        """Make the folder if need be and take it.

        Raises:
            StoreLockedError: Another process holds it, or this one does already.
            StoreUnavailableError: The folder cannot be made or written to.
        """
        try:
            if not self._folder.is_dir():  # one that is there may be somebody's: it keeps its mode
                make_folder(self._folder)
            descriptor = os.open(self._folder / "LOCK", os.O_RDWR | os.O_CREAT, FILE_MODE)
        except OSError as error:
            message = f"the data folder {self._folder} cannot be used: {error.strerror}"
            raise StoreUnavailableError(message) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(descriptor, 32).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise StoreLockedError(_refusal(self._folder, holder)) from error
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode("ascii"))
        self._descriptor = descriptor

    def give_back(self) -> None:
        """Let another process have the folder. The file stays: removing it would be a race."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None


def _refusal(folder: Path, holder: str) -> str:
    by = f"process {holder}" if holder else "another process"
    return (
        f"the data folder {folder} is in use by {by}. Only one process may use it at a time: "
        f"stop {by} first, or give this one a folder of its own."
    )
