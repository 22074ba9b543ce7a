"""Small documents: the first one stays until it expires."""

import pytest
import trio

from persistence.errors import StoreUnavailableError
from persistence.limits import DOCUMENT_BYTES_MAX, DOCUMENT_KEY_CHARACTERS_MAX
from persistence.protocols.store import Store, Stores
from tests.support.disks import running


async def test_there_is_nothing_under_an_unknown_key(store: Store) -> None:
    assert await store.documents.get("nothing", now_ms=0) is None


async def test_the_first_document_stays_until_it_expires(store: Store) -> None:
    put = store.documents.put_absent

    assert await put("k", b"first", expires_ms=100, now_ms=10) == b"first"
    assert await put("k", b"second", expires_ms=200, now_ms=99) == b"first"
    assert await store.documents.get("k", now_ms=99) == b"first"
    assert await store.documents.get("k", now_ms=100) is None
    assert await put("k", b"third", expires_ms=300, now_ms=100) == b"third"
    assert await store.documents.get("k", now_ms=299) == b"third"


async def test_an_expired_document_is_replaced_though_many_others_expire(store: Store) -> None:
    for number in range(150):
        await store.documents.put_absent(f"k{number}", b"old", expires_ms=100, now_ms=10)

    put = store.documents.put_absent
    assert await put("k149", b"new", expires_ms=300, now_ms=200) == b"new"
    assert await store.documents.get("k149", now_ms=200) == b"new"
    assert await store.documents.get("k3", now_ms=200) is None


async def test_racing_puts_agree(store: Store) -> None:
    answers: list[bytes] = []

    async def race(number: int) -> None:
        document = b"%d" % number
        answers.append(await store.documents.put_absent("k", document, expires_ms=9, now_ms=1))

    async with trio.open_nursery() as nursery:
        for number in range(10):
            nursery.start_soon(race, number)

    assert len(answers) == 10
    assert len(set(answers)) == 1


@pytest.mark.parametrize(
    ("key", "size"),
    [("", 1), ("k" * (DOCUMENT_KEY_CHARACTERS_MAX + 1), 1), ("k", DOCUMENT_BYTES_MAX + 1)],
)
async def test_what_is_too_long_is_refused(store: Store, key: str, size: int) -> None:
    with pytest.raises(ValueError, match="document"):
        await store.documents.put_absent(key, b"x" * size, expires_ms=9, now_ms=1)


async def test_the_longest_document_is_taken(store: Store) -> None:
    key, document = "k" * DOCUMENT_KEY_CHARACTERS_MAX, b"\x00" * DOCUMENT_BYTES_MAX
    await store.documents.put_absent(key, document, expires_ms=9, now_ms=1)

    assert await store.documents.get(key, now_ms=1) == document


async def test_documents_survive_reopening(stores: Stores) -> None:
    async with running(stores) as store:
        await store.documents.put_absent("k", b"kept", expires_ms=9, now_ms=1)
    async with running(stores) as store:
        assert await store.documents.get("k", now_ms=1) == b"kept"
    with pytest.raises(StoreUnavailableError):
        await store.documents.get("k", now_ms=1)
