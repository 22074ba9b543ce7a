"""What one socket follows: a subscription that is over gives nothing, whatever is under way."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from engine.conversation.events import Author
from engine.conversation.service import stream_of
from engine.errors import OutOfRangeError
from engine.events.filters import TypeFilter
from engine.log.event import Event
from engine.principal import Principal
from gateway.callers import Caller
from gateway.fanout.forms import Form
from gateway.fanout.hub import Hub
from gateway.fanout.signals import Signal
from gateway.fanout.switchboard import Switchboard
from gateway.limits import SUBSCRIPTIONS_MAX
from gateway.realtime.subscriptions import Subscriptions
from persistence.records import Stream
from tests.gateway.realtime.clients import Speaker
from tests.support.desks import Desk, opened
from tests.support.rooms import rooms_on

IDS = Form("ids", lambda log, event, audience: event.id.encode())  # noqa: ARG005 - its signature
USER = Author("user", "usr_45")


class Socket:
    """A member of the hub, and what it hears."""

    staff = True

    def __init__(self) -> None:
        self.heard: list[str] = []

    def signal(self, signal: Signal) -> None:
        self.heard.append(signal.kind)


@dataclass
class Following:
    """One socket's subscriptions, and everything around them."""

    desk: Desk
    caller: Caller
    line: Speaker
    member: Socket
    subscriptions: Subscriptions
    lost: list[tuple[str, int]]

    def add(self, stream: Stream | None, *, after: int, head: int | None = None) -> None:
        self.subscriptions.check_count(stream)
        room = self.subscriptions.hold(stream, TypeFilter())
        self.subscriptions.add(room, after=after, head=head)

    def signalled(self, stream: Stream) -> int:
        signal = Signal("test", stream.name, {}, staff_only=False)
        return self.caller.hub.tell(signal, sender=None)

    def holds_nothing(self) -> bool:
        return not rooms_on(self.desk.environment.bus)


@asynccontextmanager
async def following(who: Callable[[Desk], Principal] | None = None) -> AsyncIterator[Following]:
    async with opened() as desk, trio.open_nursery() as nursery:
        switchboard = Switchboard()
        await nursery.start(switchboard.run)
        principal = desk.staff if who is None else who(desk)
        caller = Caller(principal, desk.environment, "sk_live_x", Hub(), switchboard)
        line, member, lost = Speaker(), Socket(), list[tuple[str, int]]()
        made = Subscriptions(
            caller,
            line,
            form=IDS,
            member=member,
            lost=lambda stream, version: lost.append((stream.name, version)),
        )
        yield Following(desk, caller, line, member, made, lost)
        nursery.cancel_scope.cancel()


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
    async with following() as f:
        posted = await f.desk.post(f.desk.staff)
        stream = stream_of(posted.event.stream.name)
        gate = Gate(f.desk.environment.log.read)
        monkeypatch.setattr(f.desk.environment.log, "read", gate)
        f.add(stream, after=0)
        await wait_all_tasks_blocked()
        assert gate.reads == 1
        assert not f.subscriptions.is_live(stream)
        f.subscriptions.remove(stream)
        if again:
            f.add(stream, after=1)
        gate.opened.set()
        await wait_all_tasks_blocked()
        assert f.line.batches == ([posted.event.id.encode()] if again else [])
        assert f.subscriptions.is_live(stream) == again
        f.subscriptions.clear()
        assert f.holds_nothing()


async def test_as_many_as_there_is_room_for_and_the_same_again() -> None:
    async with following() as f:
        for number in range(SUBSCRIPTIONS_MAX):
            f.add(stream_of(f"conv_{number}"), after=0)
        with pytest.raises(OutOfRangeError):
            f.add(None, after=0)
        f.add(stream_of("conv_0"), after=0)
        f.subscriptions.remove(stream_of("conv_1"))
        f.add(None, after=0)
        assert len(f.subscriptions.lagging()) == SUBSCRIPTIONS_MAX
        await wait_all_tasks_blocked()
        assert f.subscriptions.lagging() == []
        f.subscriptions.clear()
        assert f.holds_nothing()


async def test_a_second_subscription_to_one_thing_replaces_the_first() -> None:
    async with following() as f:
        posted = await f.desk.post(f.desk.staff)
        stream = posted.event.stream
        for _ in range(2):
            f.add(stream, after=posted.event.version, head=posted.event.version)
        again = await f.desk.post(f.desk.staff)
        await wait_all_tasks_blocked()
        assert f.line.batches == [again.event.id.encode()]
        f.subscriptions.remove(stream)
        assert f.holds_nothing()


async def test_what_was_held_and_not_followed_is_let_go() -> None:
    async with following() as f:
        f.subscriptions.release(f.subscriptions.hold(stream_of("conv_1"), TypeFilter()))
        assert f.holds_nothing()


async def test_who_follows_hears_signals_until_it_follows_no_more() -> None:
    async with following() as f:
        stream = stream_of("conv_1")
        f.add(stream, after=0)
        assert f.signalled(stream) == 1
        assert f.signalled(stream_of("conv_2")) == 0
        f.subscriptions.remove(stream)
        f.subscriptions.remove(stream)
        assert f.signalled(stream) == 0
        assert f.member.heard == ["test"]


async def test_who_lags_is_known_with_its_place() -> None:
    async with following() as f:
        posted = await f.desk.post(f.desk.staff)
        stream, version = posted.event.stream, posted.event.version
        f.add(stream, after=version, head=version)
        f.add(None, after=f.desk.environment.log.committed())
        await wait_all_tasks_blocked()
        assert f.subscriptions.is_live(stream)
        f.line.stops()
        position = f.desk.environment.log.committed()
        await f.desk.post(f.desk.staff)
        await wait_all_tasks_blocked()
        assert not f.subscriptions.is_live(stream)
        assert sorted(f.subscriptions.lagging(), key=str) == sorted(
            [(stream.name, version), (None, position)], key=str
        )


async def test_a_customer_is_let_go_behind_a_removal_and_hears_nothing_more_of_it() -> None:
    async with following(lambda desk: desk.customer("usr_45")) as f:
        posted = await f.desk.post(f.desk.staff, author=USER)
        stream, version = posted.event.stream, posted.event.version
        f.add(stream, after=version, head=version)
        await f.desk.remove(USER)
        removed = (await f.desk.events())[-1]
        await f.desk.post(f.desk.staff, "behind its back")
        await wait_all_tasks_blocked()
        assert f.lost == [(stream.name, removed.version)]
        assert b"".join(f.line.batches).endswith(removed.id.encode())
        assert f.signalled(stream) == 0
        assert not f.subscriptions.is_live(stream)
        assert f.holds_nothing()
