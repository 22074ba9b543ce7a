"""The file of a ledger: what a crash cuts short is cut off, and what was changed is refused."""

import errno
import os
import tempfile
from pathlib import Path

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from persistence.errors import StoreDamagedError, StoreUnavailableError
from persistence.sqlite.ledger import FileLedger

ENTRIES = [b"first", b'{"second": 2}', b"third"]


async def filled(path: Path) -> bytes:
    """Write the entries; return the bytes of the file."""
    ledger = FileLedger(path)
    ledger.open()
    for entry in ENTRIES:
        await ledger.append(entry)
    await ledger.close()
    return await trio.Path(path).read_bytes()


async def read_in(path: Path) -> list[bytes]:
    ledger = FileLedger(path)
    ledger.open()
    found = await ledger.read()
    await ledger.close()
    return found


async def test_a_file_cut_anywhere_in_its_last_line_loses_that_line_alone(tmp_path: Path) -> None:
    path = tmp_path / "erasures.ledger"
    whole = await filled(path)
    two = whole.rindex(b"\n", 0, -1) + 1
    for size in range(two, len(whole)):
        path.write_bytes(whole[:size])
        assert await read_in(path) == ENTRIES[:2]
        assert path.read_bytes() == whole[:two], "the rest would stand before the next entry"


async def test_a_last_line_of_which_sectors_are_missing_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "erasures.ledger"
    whole = await filled(path)
    two = whole.rindex(b"\n", 0, -1) + 1
    path.write_bytes(whole[:two] + bytes(len(whole) - two - 1) + b"\n")
    assert await read_in(path) == ENTRIES[:2]


async def test_a_changed_byte_before_the_last_line_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "erasures.ledger"
    whole = await filled(path)
    for at in range(whole.rindex(b"\n", 0, -1)):
        changed = bytearray(whole)
        changed[at] ^= 1
        path.write_bytes(changed)
        with pytest.raises(StoreDamagedError, match="line"):
            FileLedger(path).open()
        assert path.read_bytes() == changed, "what is damaged is left for people to look at"


async def test_an_entry_whose_fsync_failed_is_not_there_and_the_next_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "erasures.ledger"
    ledger = FileLedger(path)
    ledger.open()
    await ledger.append(b"before")
    sync = os.fsync

    def failing(_: int) -> None:
        monkeypatch.setattr(os, "fsync", sync)
        raise OSError(errno.EIO, "the disk is gone")

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(StoreUnavailableError):
        await ledger.append(b"lost")
    assert await ledger.read() == [b"before"]
    assert await ledger.append(b"after") == 2
    assert await ledger.read() == [b"before", b"after"]
    await ledger.close()
    assert await read_in(path) == [b"before", b"after"]


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=5))
async def test_bytes_come_back_as_they_went_in(entries: list[bytes]) -> None:
    entries = [entry for entry in entries if not {10, 13} & {*entry}]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "erasures.ledger"
        ledger = FileLedger(path)
        ledger.open()
        for entry in entries:
            await ledger.append(entry)
        assert await ledger.read() == entries
        await ledger.close()
        assert await read_in(path) == entries
