"""What one socket follows: a subscription that is over gives nothing, whatever is under way."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from engine.conversation.service import stream_of
from engine.errors import OutOfRangeError
from engine.events.filters import TypeFilter
from engine.log.event import Event
from gateway.api.contract import Caller
from gateway.limits import SUBSCRIPTIONS_MAX
from gateway.realtime.hub import Hub
from gateway.realtime.outbound import Outbound
from gateway.realtime.signals import Signal
from gateway.realtime.subscriptions import Subscriptions
from gateway.streams.open_streams import OpenStreams
from persistence.records import Stream
from tests.support.desks import Desk, opened


class Socket:
    """A member of the hub that listens to nothing."""

    staff = True

    def signal(self, signal: Signal) -> None:
        raise AssertionError(signal)


def subscriptions(desk: Desk, outbound: Outbound) -> Subscriptions:
    caller = Caller(desk.staff, desk.environment, "sk_live_x", OpenStreams(), Hub())

    def lost(stream: Stream, version: int) -> None:
        raise AssertionError((stream, version))

    return Subscriptions(
        caller, outbound, member=Socket(), frame=lambda event: event.id.encode(), lost=lost
    )


class Gate:
    """Holds the answer of a read until it is opened."""

    def __init__(self, read: Callable[..., Awaitable[list[Event]]]) -> None:
        self._read = read
        self.opened = trio.Event()
        self.reads = 0

    async def __call__(self, *args: Any, **options: Any) -> list[Event]:
        self.reads += 1
        page = await self._read(*args, **options)
        await self.opened.wait()
        return page


@pytest.mark.parametrize("again", [False, True], ids=["removed", "replaced"])
async def test_a_page_that_is_being_read_when_a_subscription_ends_is_let_go(
    monkeypatch: pytest.MonkeyPatch, *, again: bool
) -> None:
    async with opened() as desk:
        posted = await desk.post(desk.staff)
        stream = stream_of(posted.event.stream.name)
        outbound = Outbound(heartbeat=None)
        following = subscriptions(desk, outbound)
        gate = Gate(desk.environment.log.read)
        monkeypatch.setattr(desk.environment.log, "read", gate)
        following.add(stream, after=0, types=TypeFilter())
        batches: list[list[bytes] | None] = []

        async def take() -> None:
            batches.append(await outbound.take())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(take)
            await wait_all_tasks_blocked()
            assert gate.reads == 1
            assert not following.is_live(stream)
            following.remove(stream)
            if again:
                following.add(stream, after=1, types=TypeFilter())
            outbound.answer(b"ok")
            gate.opened.set()
        assert batches == [[b"ok"]]
        if again:
            await take()
            assert batches[1] == [posted.event.id.encode()]


async def test_as_many_as_there_is_room_for_and_the_same_again() -> None:
    async with opened() as desk:
        outbound = Outbound(heartbeat=None)
        following = subscriptions(desk, outbound)
        for number in range(SUBSCRIPTIONS_MAX):
            following.add(stream_of(f"conv_{number}"), after=0, types=TypeFilter())
        with pytest.raises(OutOfRangeError):
            following.add(None, after=0, types=TypeFilter())
        following.add(stream_of("conv_0"), after=0, types=TypeFilter())
        following.remove(stream_of("conv_1"))
        following.add(None, after=0, types=TypeFilter())
        assert len(outbound.followers) == SUBSCRIPTIONS_MAX
        following.clear()
        assert outbound.followers == []
        bus = desk.environment.bus
        assert (bus._by_stream, bus._of_all) == ({}, {})  # noqa: SLF001
