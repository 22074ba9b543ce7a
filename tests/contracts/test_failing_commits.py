"""A commit that fails, and a store that ends: everybody is answered, and the log goes on."""

import pytest
import trio

from persistence.errors import OutcomeUnknownError, StoreUnavailableError
from persistence.protocols.store import Store, Stores
from persistence.records import Appended
from tests.support.disks import Disk, running
from tests.support.drafts import Heard, stream, write


async def test_a_failed_commit_fails_its_batch_and_all_behind_it(store: Store, disk: Disk) -> None:
    heard, all_answered = Heard(), trio.Event()
    store.feed.listen(heard.listener("listener"))
    disk.hold()
    store.log.submit([write("a", 0)], heard.receipt("in flight"))
    store.log.submit([write("b", 0)], heard.receipt("in the same batch"))
    await disk.wait_held()
    store.log.submit([write("a", 1)], heard.receipt("behind"))
    store.log.submit([write("c", 0)], heard.receipt("behind, another stream"))
    store.log.submit([write("d", 0)], lambda _: all_answered.set())
    disk.release(failing=True)
    await all_answered.wait()

    assert heard.names == ["in flight", "in the same batch", "behind", "behind, another stream"]
    assert isinstance(heard.answer("in flight"), OutcomeUnknownError)
    assert isinstance(heard.answer("in the same batch"), OutcomeUnknownError)
    assert isinstance(heard.answer("behind"), StoreUnavailableError)
    assert isinstance(heard.answer("behind, another stream"), StoreUnavailableError)


async def test_submits_work_again_after_a_failed_commit(store: Store, disk: Disk) -> None:
    await store.log.append([write("a", 0, b"1")])
    for _ in range(3):
        disk.hold()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(expect_unknown, store)
            await disk.wait_held()
            disk.release(failing=True)

    assert await store.log.head(stream("a")) == 1
    assert await store.log.append([write("b", 0)]) == (Appended(stream("b"), 1, 2),)
    assert await store.log.append([write("a", 1)]) == (Appended(stream("a"), 2, 3),)
    assert [record.position for record in await store.feed.read_feed()] == [1, 2, 3]
    assert store.feed.committed() in {2, 3}


async def expect_unknown(store: Store) -> None:
    """Append to a stream that is there and to a new one, in vain."""
    with pytest.raises(OutcomeUnknownError):
        await store.log.append([write("a", 1, b"lost"), write("b", 0, b"lost")])


async def test_who_submits_from_inside_a_failed_receipt_is_served(store: Store, disk: Disk) -> None:
    heard = Heard()
    again = trio.Event()

    def try_again(_: object) -> None:
        store.log.submit([write("a", 0, b"again")], lambda _: again.set())

    disk.hold()
    store.log.submit([write("a", 0, b"lost")], try_again)
    await disk.wait_held()
    store.log.submit([write("a", 1, b"lost")], heard.receipt("behind"))
    disk.release(failing=True)
    await again.wait()

    assert [record.body for record in await store.log.read(stream("a"))] == [b"again"]
    assert isinstance(heard.answer("behind"), StoreUnavailableError)


async def test_a_store_that_is_cancelled_commits_and_answers_what_was_submitted(
    stores: Stores, disk: Disk
) -> None:
    heard = Heard()
    async with trio.open_nursery() as nursery:
        store = stores.store("acme", "live")
        await nursery.start(store.run)
        disk.hold()
        store.log.submit([write("a", 0, b"in flight")], heard.receipt("in flight"))
        await disk.wait_held()
        store.log.submit([write("a", 1, b"waiting")], heard.receipt("waiting"))
        nursery.cancel_scope.cancel()
        disk.release()

    assert heard.answer("in flight") == (Appended(stream("a"), 1, 1),)
    assert heard.answer("waiting") == (Appended(stream("a"), 2, 2),)
    async with running(stores) as store:
        records = await store.log.read(stream("a"))
        assert [record.body for record in records] == [b"in flight", b"waiting"]


async def test_a_receipt_that_raises_ends_the_store_after_the_others(stores: Stores) -> None:
    heard = Heard()
    store = stores.store("acme", "live")

    def broken(_: object) -> None:
        message = "a broken receipt"
        raise RuntimeError(message)

    async def crash() -> None:
        with pytest.raises(RuntimeError, match="a broken receipt"):
            await store.run(task_status=started)

    started = StartedEvent()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(crash)
        await started.wait()
        store.feed.listen(heard.listener("listener"))
        store.log.submit([write("a", 0)], heard.receipt("before"))
        store.log.submit([write("b", 0)], broken)
        store.log.submit([write("c", 0)], heard.receipt("after"))

    assert heard.names == ["before", "after", "listener"]
    with pytest.raises(StoreUnavailableError):
        await store.log.append([write("d", 0)])
    async with running(stores) as store:
        assert len(await store.feed.read_feed()) == 3


class StartedEvent(trio.TaskStatus[None]):
    """Stands for a nursery's ``start`` where the task's own error is of interest."""

    def __init__(self) -> None:
        """Start unset."""
        self._event = trio.Event()

    def started(self, value: object = None) -> None:
        """Note that the task has started."""
        assert value is None
        self._event.set()

    async def wait(self) -> None:
        """Wait until the task has started."""
        await self._event.wait()
