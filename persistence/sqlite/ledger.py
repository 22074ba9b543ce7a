"""The ledger of one environment: a text file, a line an entry, that is only ever added to.

A line is the entry behind eight hexadecimal digits of its CRC-32. A last line that is not whole is
of a write that a crash has cut short: nobody was told of it, so it is cut off.
"""

import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import trio

from persistence.errors import StoreDamagedError, StoreUnavailableError
from persistence.limits import check_ledger_entry, check_page
from persistence.sqlite.database import translated
from persistence.sqlite.files import make_file

CHECK_DIGITS = 8

Answer = TypeVar("Answer")


class FileLedger:
    """Entries in the lines of a file. Every call runs in a thread; an append ends in an fsync."""

    def __init__(self, path: Path) -> None:
        """Use the file at ``path`` once it is open."""
        self._path = path
        self._descriptor: int | None = None
        self._is_open = False
        self._ends = [0]
        """Where each entry ends in the file; the first one begins at 0."""
        self._turn = trio.CapacityLimiter(1)

    def open(self) -> None:
        """Make the file if it is missing, and see what is in it.

        Raises:
            StoreDamagedError: A line that is not the last one is not what was written.
            StoreUnavailableError: The file cannot be opened.
        """
        with translated(f"{self._path} cannot be opened"):
            make_file(self._path)
            self._ends = _ends_in(self._path)
            self._reopen()
        self._is_open = True

    async def append(self, entry: bytes) -> int:
        """Add an entry; return its number."""
        check_ledger_entry(entry)
        return await self._call(lambda: self._append(entry))

    async def read(self, *, after: int = 0, limit: int = 256) -> list[bytes]:
        """Return up to ``limit`` entries behind number ``after``."""
        check_page(after, limit)
        return await self._call(lambda: self._read(after, limit))

    async def close(self) -> None:
        """Wait for the call that has begun, then close; those that wait are refused."""
        self._is_open = False
        async with self._turn:
            self._drop()

    async def _call(self, work: Callable[[], Answer]) -> Answer:
        return await trio.to_thread.run_sync(
            self._work, work, limiter=self._turn, abandon_on_cancel=False
        )

    def _work(self, work: Callable[[], Answer]) -> Answer:
        if not self._is_open:
            message = f"{self._path} is closed"
            raise StoreUnavailableError(message)
        with translated(f"{self._path} does not answer"):
            return work()

    def _append(self, entry: bytes) -> int:
        descriptor = self._descriptor or self._reopen()
        line = b"%08x %b\n" % (zlib.crc32(entry), entry)
        try:
            _write_durably(descriptor, line)
        except BaseException:
            # What an fsync has failed to write may never be written: begin anew, without the line.
            self._drop()
            raise
        self._ends.append(self._ends[-1] + len(line))
        return len(self._ends) - 1

    def _read(self, after: int, limit: int) -> list[bytes]:
        ends = self._ends[after : after + limit + 1]
        if len(ends) < 2:  # noqa: PLR2004 - where it begins and where it ends
            return []
        with self._path.open("rb") as file:
            file.seek(ends[0])
            lines = file.read(ends[-1] - ends[0]).splitlines()
        return [line[CHECK_DIGITS + 1 :] for line in lines]

    def _reopen(self) -> int:
        """Open the file to write at its end, behind the last entry that is known to be whole."""
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        try:
            if os.fstat(descriptor).st_size != self._ends[-1]:
                os.ftruncate(descriptor, self._ends[-1])
                os.fsync(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        return descriptor

    def _drop(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def _write_durably(descriptor: int, line: bytes) -> None:
    if os.write(descriptor, line) != len(line):
        message = "the disk took a part of the line"
        raise OSError(message)
    os.fsync(descriptor)


def _ends_in(path: Path) -> list[int]:
    ends = [0]
    lines = path.read_bytes().splitlines(keepends=True)
    for number, line in enumerate(lines, start=1):
        if not _is_whole(line):
            if number < len(lines):
                message = f"line {number} of {path} is not what was written there"
                raise StoreDamagedError(message)
            break
        ends.append(ends[-1] + len(line))
    return ends


def _is_whole(line: bytes) -> bool:
    entry = line[CHECK_DIGITS + 1 : -1]
    return line == b"%08x %b\n" % (zlib.crc32(entry), entry)
