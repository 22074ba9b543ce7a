"""A consumer keeps a view of the log: whole, in order, and from where it was left."""

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from engine.bus.consumer import Consumer
from engine.bus.rules import ViewRules
from engine.errors import BusyError
from engine.ids import Veil
from engine.limits import CONSUMER_BATCH_EVENTS, CONSUMER_WAITING_EVENTS
from engine.log.event import Event
from persistence.errors import StoreUnavailableError
from persistence.protocols.views import (
    Between,
    Change,
    Column,
    Declaration,
    OneOf,
    Put,
    Query,
    View,
)
from tests.support.disks import MemoryDisk
from tests.support.tallies import Count, Tallies, tallying

TEXTS = Declaration(
    "texts", 1, (Column("text"), Column("version", "integer")), indexes=(("version",),)
)
NEWER = Declaration(
    "texts", 2, (Column("words"), Column("version", "integer")), indexes=(("version",),)
)


def fold(event: Event, _: Veil) -> Sequence[Change]:
    if event.payload.text == "poison":
        message = "this rule cannot fold that"
        raise RuntimeError(message)
    key = f"{event.stream.name}-{event.version}"
    return (Put(key, {"text": event.payload.text, "version": event.version}),)


def fold_newer(event: Event, _: Veil) -> Sequence[Change]:
    return (Put(f"{event.version}", {"words": "two words", "version": event.version}),)


RULES = ViewRules(TEXTS, fold)


class Held:
    """The views of a store; writes wait, or fail, while a test wants them to."""

    def __init__(self, views: Any) -> None:
        self._views = views
        self.free = trio.Event()
        self.failing = False
        self.writes: list[int] = []
        self.written = trio.Event()
        self.free.set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._views, name)

    async def open(self, *given: Any, **more: Any) -> View:
        view = await self._views.open(*given, **more)
        write = view.write

        async def held(changes: Sequence[Change], *, position: int) -> None:
            await self.free.wait()
            if self.failing:
                message = "the disk is full"
                raise StoreUnavailableError(message)
            self.writes.append(len(changes))
            await write(changes, position=position)
            self.written.set()

        view.write = held
        opened: View = view
        return opened


def consumer_of(tallies: Tallies, rules: ViewRules = RULES, views: Any = None) -> Consumer:
    return Consumer(
        rules,
        log=tallies.log,
        bus=tallies.bus,
        views=views or tallies.store.views,
        veil=Veil(bytes(32)),
        now_ms=lambda: tallies.now_ms,
    )


@asynccontextmanager
async def consuming(
    tallies: Tallies, rules: ViewRules = RULES, views: Any = None
) -> AsyncIterator[Consumer]:
    consumer = consumer_of(tallies, rules, views)
    async with trio.open_nursery() as nursery:
        await nursery.start(consumer.run)
        yield consumer
        nursery.cancel_scope.cancel()


async def texts(consumer: Consumer, column: str = "text") -> list[Any]:
    rows = await consumer.read(Query("version", limit=1_000))
    return [row.values[column] for row in rows]


async def caught_up(tallies: Tallies, consumer: Consumer) -> None:
    head = tallies.log.committed()
    assert await consumer.reached(head, within=5) >= head
    assert consumer.lag == 0


async def test_what_was_there_before_and_what_comes_is_folded_in_order() -> None:
    async with tallying() as tallies:
        await tallies.ask(Count("one"))
        async with consuming(tallies) as consumer:
            await tallies.ask(Count("two"))
            await caught_up(tallies, consumer)
            assert await texts(consumer) == ["one", "two"]
            await tallies.ask(Count("three"))
            await caught_up(tallies, consumer)
            assert await texts(consumer) == ["one", "two", "three"]
            assert consumer.position == 3


async def test_it_goes_on_from_where_it_was_left() -> None:
    disk = MemoryDisk()
    seen: list[int] = []

    def folding(event: Event, veil: Veil) -> Sequence[Change]:
        seen.append(event.position)
        return fold(event, veil)

    for number in range(3):
        async with tallying(disk) as tallies:
            await tallies.ask(Count(str(number)))
            async with consuming(tallies, ViewRules(TEXTS, folding)) as consumer:
                await caught_up(tallies, consumer)
                assert await texts(consumer) == [str(one) for one in range(number + 1)]
    assert seen == [1, 2, 3]


async def test_events_that_come_together_are_written_together(
    autojump_clock: MockClock,  # noqa: ARG001 - the time that passes is its
) -> None:
    async with tallying() as tallies:
        views = Held(tallies.store.views)
        async with consuming(tallies, views=views) as consumer:
            await tallies.ask(Count("first"))
            await caught_up(tallies, consumer)
            for number in range(20):
                await tallies.ask(Count(str(number)))
            await wait_all_tasks_blocked()
            assert consumer.lag == 20
            views.written = trio.Event()
            await views.written.wait()
            assert consumer.lag == 0
            assert views.writes[1:] == [20]


async def test_more_events_than_may_wait_are_read_from_the_log() -> None:
    async with tallying() as tallies:
        views = Held(tallies.store.views)
        async with consuming(tallies, views=views) as consumer:
            await tallies.ask(Count("0"))
            await caught_up(tallies, consumer)
            views.free = trio.Event()
            wanted = CONSUMER_WAITING_EVENTS + 500
            for _ in range(wanted // 50 + 1):
                await tallies.ask(Count("x", times=50))
            assert len(consumer._waiting) == CONSUMER_WAITING_EVENTS  # noqa: SLF001 - its bound
            views.free.set()
            await caught_up(tallies, consumer)
            assert max(views.writes) == CONSUMER_BATCH_EVENTS
            assert sum(views.writes) == tallies.log.committed()


async def test_a_question_waits_until_the_view_has_come_that_far() -> None:
    async with tallying() as tallies, consuming(tallies) as consumer:
        await tallies.ask(Count("one"))
        assert await consumer.reached(1, within=0.2) == 1
        assert await consumer.reached(0, within=0.2) == 1


async def test_a_question_that_has_waited_long_enough_is_told_how_far_it_is(
    autojump_clock: MockClock,
) -> None:
    async with tallying() as tallies:
        views = Held(tallies.store.views)
        async with consuming(tallies, views=views) as consumer:
            await tallies.ask(Count("one"))
            await caught_up(tallies, consumer)
            views.free = trio.Event()
            await tallies.ask(Count("two"))
            began = autojump_clock.current_time()
            assert await consumer.reached(2, within=0.2) == 1
            assert autojump_clock.current_time() - began == pytest.approx(0.2)
            tallies.now_ms += 3_000
            assert (consumer.lag, consumer.lag_seconds) == (1, 3.0)
            views.free.set()
            await caught_up(tallies, consumer)
            assert consumer.lag_seconds == 0


async def test_a_fold_that_fails_stops_its_consumer_loudly_and_nothing_else(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with tallying() as tallies, consuming(tallies) as consumer:
        for text in ("one", "poison", "three"):
            await tallies.ask(Count(text))
            await consumer.reached(tallies.log.committed(), within=1)
        assert consumer.failed
        assert (consumer.position, consumer.lag) == (1, 2)
        assert await texts(consumer) == ["one"]
        began = autojump_clock.current_time()
        assert await consumer.reached(3, within=5) == 1
        assert autojump_clock.current_time() == began
        (record,) = [one for one in caplog.records if one.levelno >= logging.ERROR]
        assert "a consumer has stopped" in record.message
        assert record.exc_info is not None
        assert await tallies.texts() == ["one", "poison", "three"]


async def test_a_stopped_consumer_goes_on_once_it_is_rebuilt_by_a_rule_that_can() -> None:
    can_fold = False

    def learning(event: Event, veil: Veil) -> Sequence[Change]:
        return () if can_fold and event.payload.text == "poison" else fold(event, veil)

    async with (
        tallying() as tallies,
        consuming(tallies, ViewRules(TEXTS, learning)) as consumer,
    ):
        await tallies.ask(Count("poison"))
        await consumer.reached(1, within=1)
        with pytest.raises(RuntimeError):
            await consumer.rebuild(nobody)
        assert consumer.failed
        can_fold = True
        assert await consumer.rebuild(nobody) == 1
        await tallies.ask(Count("two"))
        await caught_up(tallies, consumer)
        assert await texts(consumer) == ["two"]


async def test_a_store_that_does_not_answer_is_asked_again(
    autojump_clock: MockClock,  # noqa: ARG001 - the time that passes is its
) -> None:
    async with tallying() as tallies:
        views = Held(tallies.store.views)
        async with consuming(tallies, views=views) as consumer:
            await tallies.ask(Count("one"))
            await caught_up(tallies, consumer)
            views.failing = True
            await tallies.ask(Count("two"))
            assert await consumer.reached(2, within=3) == 1
            assert not consumer.failed
            views.failing = False
            await caught_up(tallies, consumer)
            assert await texts(consumer) == ["one", "two"]


async def test_a_view_of_an_older_schema_answers_until_the_new_one_has_caught_up(
    autojump_clock: MockClock,
) -> None:
    disk = MemoryDisk()
    async with tallying(disk) as tallies:
        async with consuming(tallies) as consumer:
            await tallies.ask(Count("one"))
            await caught_up(tallies, consumer)
        await tallies.ask(Count("two"))
        views = Held(tallies.store.views)
        views.free = trio.Event()
        newer = ViewRules(NEWER, fold_newer)
        async with consuming(tallies, newer, views) as consumer:
            await wait_all_tasks_blocked()
            began = autojump_clock.current_time()
            assert await consumer.reached(2, within=5) == 1
            assert autojump_clock.current_time() == began
            assert (consumer.schema, consumer.position, consumer.lag) == (1, 1, 2)
            assert await texts(consumer) == ["one"]
            of_the_new_one = Query("version", (OneOf("words", ("two words",)),))
            assert await consumer.read(of_the_new_one) == []
            views.free.set()
            await wait_all_tasks_blocked()
            assert consumer.schema == 2
            await caught_up(tallies, consumer)
            assert await texts(consumer, "words") == ["two words"] * 2
        assert await tallies.store.views.older(NEWER, epoch=tallies.log.epoch) is None


async def nobody(done: int, total: int) -> None:
    assert 0 <= done <= total
    await trio.lowlevel.checkpoint()


async def test_a_view_is_rebuilt_while_it_answers_and_while_more_comes() -> None:
    async with tallying() as tallies, consuming(tallies) as consumer:
        for number in range(40):
            await tallies.ask(Count(str(number), times=20))
        await caught_up(tallies, consumer)
        told: list[int] = []

        async def progress(done: int, total: int) -> None:
            told.append(done)
            assert done <= total
            assert len(await texts(consumer)) >= 800
            await tallies.ask(Count("more", times=3))
            await caught_up(tallies, consumer)

        assert await consumer.rebuild(progress) >= 800
        await caught_up(tallies, consumer)
        assert told == sorted(told)
        assert await texts(consumer) == await tallies.texts()
        await tallies.ask(Count("afterwards"))
        await caught_up(tallies, consumer)
        assert await texts(consumer) == await tallies.texts()


async def test_one_view_is_rebuilt_once_at_a_time() -> None:
    async with tallying() as tallies, consuming(tallies) as consumer:
        await tallies.ask(Count("one"))

        async def progress(_: int, __: int) -> None:
            with pytest.raises(BusyError):
                await consumer.rebuild(nobody)

        await consumer.rebuild(progress)
        assert await consumer.rebuild(nobody) == 1


async def test_a_rebuild_that_is_cancelled_leaves_the_view_there() -> None:
    async with tallying() as tallies, consuming(tallies) as consumer:
        await tallies.ask(Count("one"))
        await caught_up(tallies, consumer)
        with trio.CancelScope() as scope:

            async def progress(_: int, __: int) -> None:
                scope.cancel()
                await trio.lowlevel.checkpoint()

            await consumer.rebuild(progress)
        assert scope.cancelled_caught
        await tallies.ask(Count("two"))
        await caught_up(tallies, consumer)
        assert await texts(consumer) == ["one", "two"]
        rows = await consumer.read(Query("version", (Between("version", 2),)))
        assert [row.key for row in rows] == ["a-2"]
