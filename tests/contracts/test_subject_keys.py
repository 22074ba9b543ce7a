"""Wrapped keys: the first one stays, and a destroyed one is gone."""

import pytest
import trio

from persistence.errors import StoreUnavailableError
from persistence.limits import SUBJECT_CHARACTERS_MAX
from persistence.protocols.store import Store, Stores
from tests.support.disks import running


async def test_a_subject_without_a_key_has_none(store: Store) -> None:
    assert await store.subject_keys.get("nobody") is None


async def test_the_first_key_of_a_subject_stays(store: Store) -> None:
    assert await store.subject_keys.put_absent({"a": b"1"}) == {"a": b"1"}

    assert await store.subject_keys.put_absent({"b": b"2", "a": b"other"}) == {"b": b"2", "a": b"1"}

    assert await store.subject_keys.get("a") == b"1"
    assert await store.subject_keys.get("b") == b"2"


async def test_racing_calls_for_one_subject_get_one_answer(store: Store) -> None:
    answers: list[dict[str, bytes]] = []

    async def race(number: int) -> None:
        answers.append(await store.subject_keys.put_absent({"a": b"%d" % number}))

    async with trio.open_nursery() as nursery:
        for number in range(10):
            nursery.start_soon(race, number)

    assert len(answers) == 10
    assert all(answer == answers[0] for answer in answers)


@pytest.mark.parametrize("subject", ["", "x" * (SUBJECT_CHARACTERS_MAX + 1)])
async def test_a_bad_subject_keeps_the_good_ones_out(store: Store, subject: str) -> None:
    with pytest.raises(ValueError, match="subject"):
        await store.subject_keys.put_absent({"good": b"1", subject: b"2"})

    assert await store.subject_keys.get("good") is None


async def test_no_keys_are_no_work(store: Store) -> None:
    assert await store.subject_keys.put_absent({}) == {}


async def test_a_destroyed_key_is_gone_and_may_be_replaced(store: Store) -> None:
    await store.subject_keys.put_absent({"a": b"1", "b": b"2"})

    assert await store.subject_keys.destroy("a") is True
    assert await store.subject_keys.destroy("a") is False

    assert await store.subject_keys.get("a") is None
    assert await store.subject_keys.get("b") == b"2"
    assert await store.subject_keys.put_absent({"a": b"new"}) == {"a": b"new"}


async def test_keys_survive_reopening(stores: Stores) -> None:
    async with running(stores) as store:
        await store.subject_keys.put_absent({"a": b"1", "b": b"2"})
        await store.subject_keys.destroy("b")
    async with running(stores) as store:
        assert await store.subject_keys.get("a") == b"1"
        assert await store.subject_keys.get("b") is None
    with pytest.raises(StoreUnavailableError):
        await store.subject_keys.get("a")


async def test_a_cancelled_put_is_whole_or_not_there(store: Store) -> None:
    keys = {f"s{number}": b"key" for number in range(20)}
    with trio.CancelScope() as scope:
        scope.cancel()
        await store.subject_keys.put_absent(keys)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(store.subject_keys.put_absent, keys)
        await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()

    found = [subject for subject in keys if await store.subject_keys.get(subject)]
    assert found in ([], list(keys))


async def test_keys_are_replaced_and_removed_together(stores: Stores) -> None:
    async with running(stores) as store:
        await store.subject_keys.put_absent({"a": b"1", "b": b"2", "c": b"3"})
        await store.subject_keys.replace({"a": b"new", "d": b"4"}, removed=["b", "nobody"])
    async with running(stores) as store:
        found = {name: await store.subject_keys.get(name) for name in "abcd"}
    assert found == {"a": b"new", "b": None, "c": b"3", "d": b"4"}


async def test_a_bad_subject_replaces_nothing(store: Store) -> None:
    await store.subject_keys.put_absent({"a": b"1"})
    with pytest.raises(ValueError, match="subject"):
        await store.subject_keys.replace({"a": b"2", "": b"3"}, removed=["a"])
    assert await store.subject_keys.get("a") == b"1"
