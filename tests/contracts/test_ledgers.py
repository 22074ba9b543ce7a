"""Ledgers: what was added stays, in order, and nothing is ever taken out."""

import pytest
import trio

from persistence.errors import StoreUnavailableError
from persistence.limits import LEDGER_ENTRY_BYTES_MAX
from persistence.protocols.store import Store, Stores
from tests.support.disks import running


async def test_a_new_ledger_is_empty(store: Store) -> None:
    assert await store.ledger.read() == []


async def test_entries_are_numbered_and_read_in_their_order(store: Store) -> None:
    assert [await store.ledger.append(b"entry %d" % number) for number in range(5)] == [
        *range(1, 6)
    ]
    assert await store.ledger.read() == [b"entry %d" % number for number in range(5)]
    assert await store.ledger.read(after=2, limit=2) == [b"entry 2", b"entry 3"]
    assert await store.ledger.read(after=5) == []
    assert await store.ledger.read(after=50) == []


async def test_entries_survive_reopening(stores: Stores) -> None:
    longest = b"x" * LEDGER_ENTRY_BYTES_MAX
    async with running(stores) as store:
        await store.ledger.append(b'{"a": 1}')
        await store.ledger.append(longest)
    async with running(stores) as store:
        assert await store.ledger.append(b" ") == 3
        assert await store.ledger.read() == [b'{"a": 1}', longest, b" "]
    with pytest.raises(StoreUnavailableError):
        await store.ledger.read()
    with pytest.raises(StoreUnavailableError):
        await store.ledger.append(b"late")


@pytest.mark.parametrize(
    "entry", [b"", b"\n", b"a\nb", b"a\n", b"\na", b"a\rb", b"x" * (LEDGER_ENTRY_BYTES_MAX + 1)]
)
async def test_what_is_no_line_is_refused(store: Store, entry: bytes) -> None:
    with pytest.raises(ValueError, match="entry"):
        await store.ledger.append(entry)
    assert await store.ledger.read() == []


async def test_racing_appends_get_a_number_each(store: Store) -> None:
    numbers: dict[int, bytes] = {}

    async def race(entry: bytes) -> None:
        numbers[await store.ledger.append(entry)] = entry

    async with trio.open_nursery() as nursery:
        for number in range(10):
            nursery.start_soon(race, b"%d" % number)
    assert sorted(numbers) == list(range(1, 11))
    assert await store.ledger.read() == [numbers[number] for number in range(1, 11)]


async def test_stores_whose_ledger_has_an_entry_are_found(stores: Stores) -> None:
    assert await stores.with_ledger() == []
    for environment in ("live", "test"):
        async with running(stores, environment=environment) as store:
            if environment == "live":
                await store.ledger.append(b"entry")
    assert await stores.with_ledger() == [("acme", "live")]
