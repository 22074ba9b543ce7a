"""Signals between those who are here, and the one task that ends what has lasted long enough."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from engine.conversation.events import Author
from engine.conversation.marks import Mark
from gateway.fanout import hub as hub_module
from gateway.fanout.hub import Hub, Hubs, Member
from gateway.fanout.roll import Seat
from gateway.fanout.signals import Signal
from gateway.limits import PRESENCE_GRACE_SECONDS, PRESENCE_REST_SECONDS, TYPING_SECONDS
from gateway.realtime.dialects import json, msgpack

ANNA = Seat("conv_1", Author("user", "anna"))
MAYA = Seat("conv_1", Author("agent", "maya"), "note")


class Socket:
    """A member of a hub, and what it heard when."""

    def __init__(self, *, staff: bool = True) -> None:
        self.staff = staff
        self.heard: list[tuple[str, Any]] = []
        self.moments: list[float] = []

    def signal(self, signal: Signal) -> None:
        self.heard.append((signal.kind, signal.members.get("state")))
        if signal.kind != "test":
            self.moments.append(trio.current_time())


def hello(*, staff_only: bool = False) -> Signal:
    return Signal("test", "conv_1", {"state": "hello"}, staff_only=staff_only)


LATER_SECONDS = 10
HELLO = ("test", "hello")
TYPES, STOPS = ("typing", "start"), ("typing", "stop")


def joined(hub: Hub, *sockets: Member, where: str = "conv_1") -> None:
    for socket in sockets:
        hub.join(where, socket)


@asynccontextmanager
async def watched(clock: MockClock) -> AsyncIterator[tuple[Hubs, Hub]]:
    """Run hubs on a clock that jumps to whatever comes next, and give one of them."""
    assert clock.autojump_threshold == 0
    hubs = Hubs()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hubs.run)
        yield hubs, hubs.of("ws_1", "live")
        nursery.cancel_scope.cancel()


def test_a_signal_reaches_everybody_here_but_its_sender() -> None:
    hub, sockets = Hub(), [Socket() for _ in range(4)]
    joined(hub, *sockets[:3])
    joined(hub, sockets[3], where="conv_2")
    assert hub.tell(hello(), sender=sockets[0]) == 2
    assert [socket.heard for socket in sockets] == [[], [HELLO], [HELLO], []]


def test_what_is_among_staff_reaches_no_customer() -> None:
    hub, staff, customer = Hub(), Socket(), Socket(staff=False)
    joined(hub, staff, customer)
    assert hub.tell(hello(staff_only=True), sender=None) == 1
    assert (staff.heard, customer.heard) == ([HELLO], [])


def test_who_left_hears_nothing_and_may_leave_twice() -> None:
    hub, here, gone = Hub(), Socket(), Socket()
    joined(hub, here, gone)
    hub.leave("conv_1", gone)
    hub.leave("conv_1", gone)
    hub.leave("nowhere", gone)
    hub.tell(hello(), sender=gone)
    assert (here.heard, gone.heard) == ([HELLO], [])


def test_two_tenants_and_two_environments_never_meet() -> None:
    hubs = Hubs()
    assert hubs.of("ws_1", "live") is hubs.of("ws_1", "live")
    found = {id(hubs.of(*place)) for place in (("a", "live"), ("a", "test"), ("b", "live"))}
    assert len(found) == 3


def test_a_signal_is_written_once_a_dialect() -> None:
    signal = hello()
    for dialect in (json.DIALECT, msgpack.DIALECT):
        assert signal.frame(dialect) is signal.frame(dialect)
    assert signal.frame(json.DIALECT) == (
        b'{"op":"signal","kind":"test","conversation":"conv_1","state":"hello"}'
    )
    assert signal.frame(msgpack.DIALECT) != signal.frame(json.DIALECT)


async def test_the_hub_itself_says_that_typing_is_over(autojump_clock: MockClock) -> None:
    async with watched(autojump_clock) as (_, hub):
        here, sender = Socket(), Socket()
        joined(hub, here, sender)
        assert hub.typing(ANNA, "start", sender=sender) == 1
        await trio.sleep(TYPING_SECONDS / 2)
        hub.typing(ANNA, "start", sender=sender)
        await trio.sleep(10 * TYPING_SECONDS)
        assert here.heard == [TYPES, TYPES, STOPS]
        assert here.moments == [0, TYPING_SECONDS / 2, 1.5 * TYPING_SECONDS]
        assert sender.heard == []


async def test_while_nobody_types_nothing_is_waited_for(autojump_clock: MockClock) -> None:
    async with watched(autojump_clock) as (hubs, hub):
        socket = Socket()
        joined(hub, socket)
        hub.typing(ANNA, "start", sender=None)
        hub.presence(ANNA, "online", sender=None)
        await trio.sleep(2 * PRESENCE_REST_SECONDS)
        assert socket.heard == [TYPES, ("presence", "online"), STOPS, ("presence", "offline")]
        assert hubs._busy == {}  # noqa: SLF001
        await wait_all_tasks_blocked()
        assert trio.lowlevel.current_statistics().seconds_to_next_deadline == float("inf")


async def test_what_ends_sooner_is_not_kept_waiting_by_what_ends_later(
    autojump_clock: MockClock,
) -> None:
    async with watched(autojump_clock) as (hubs, hub):
        socket = Socket()
        for one in (hub, hubs.of("ws_2", "live")):
            joined(one, socket)
        hub.presence(ANNA, "online", sender=None)
        await trio.sleep(LATER_SECONDS)
        hubs.of("ws_2", "live").typing(ANNA, "start", sender=None)
        await trio.sleep(TYPING_SECONDS)
        await wait_all_tasks_blocked()
        assert socket.moments[1:] == [LATER_SECONDS, LATER_SECONDS + TYPING_SECONDS]


async def test_who_leaves_a_conversation_or_closes_types_no_longer(
    autojump_clock: MockClock,
) -> None:
    hub, here, sender = Hub(), Socket(), Socket()
    joined(hub, here, sender)
    ends = (partial(hub.leave, "conv_1"), hub.close)
    for end in ends:
        here.heard.clear()
        hub.typing(ANNA, "start", sender=sender)
        end(sender)
        assert here.heard == [TYPES, STOPS]
        autojump_clock.jump(TYPING_SECONDS)
        hub.lapse()


async def test_a_note_is_typed_among_staff(autojump_clock: MockClock) -> None:
    async with watched(autojump_clock) as (_, hub):
        staff, customer = Socket(), Socket(staff=False)
        joined(hub, staff, customer)
        assert hub.typing(MAYA, "start", sender=None) == 1
        await trio.sleep(2 * TYPING_SECONDS)
        assert staff.heard == [TYPES, STOPS]
        assert customer.heard == []


async def test_a_socket_that_closes_is_missed_after_a_grace(autojump_clock: MockClock) -> None:
    async with watched(autojump_clock) as (_, hub):
        here, gone = Socket(), Socket()
        joined(hub, here, gone)
        hub.presence(ANNA, "online", sender=gone)
        (present,) = hub.present("conv_1")
        assert (present.author, present.state) == (ANNA.author, "online")
        hub.leave("conv_1", gone)
        hub.close(gone)
        await trio.sleep(3 * PRESENCE_GRACE_SECONDS)
        assert here.heard == [("presence", "online"), ("presence", "offline")]
        assert here.moments == pytest.approx([0, PRESENCE_GRACE_SECONDS])
        assert hub.present("conv_1") == []


async def test_who_loses_access_types_no_longer_and_is_absent_at_once(
    mock_clock: MockClock,
) -> None:
    hub, here, gone = Hub(), Socket(), Socket(staff=False)
    joined(hub, here, gone)
    hub.typing(ANNA, "start", sender=gone)
    hub.presence(ANNA, "away", sender=gone)
    mock_clock.jump(5)
    hub.lapse()
    hub.withdraw("conv_1", gone)
    assert here.heard[2:] == [STOPS, ("presence", "offline")]
    hub.tell(hello(), sender=None)
    assert HELLO not in gone.heard


def test_a_mark_is_told_once_and_never_back(monkeypatch: pytest.MonkeyPatch) -> None:
    hub, staff, customer = Hub(), Listener(), Listener(staff=False)
    joined(hub, staff, customer)
    for version, told in ((1, 2), (1, 0), (3, 2), (2, 0), (3, 0)):
        mark = Mark("conv_1", ANNA.author, version, 0)
        assert hub.read(mark, mark, sender=None) == told
    assert hub.read(Mark("conv_1", MAYA.author, 3, 0), None, sender=None) == 1
    assert (staff.versions, customer.versions) == ([1, 3, 3], [1, 3])
    monkeypatch.setattr(hub_module, "MARKS_TOLD_REMEMBERED", 1)
    elsewhere = Mark("conv_2", ANNA.author, 1, 0)
    assert hub.read(elsewhere, elsewhere, sender=None) == 0
    assert len(hub._marks) <= 2  # noqa: SLF001


def test_customers_hear_of_a_mark_no_further_than_they_see_and_only_of_whom_they_know() -> None:
    hub, staff, customer = Hub(), Listener(), Listener(staff=False)
    joined(hub, staff, customer)
    mark = Mark("conv_1", MAYA.author, 7, 0)
    assert hub.read(mark, mark.up_to(4), sender=None) == 2
    assert (staff.versions, customer.versions) == ([7], [4])
    assert hub.read(mark, mark.up_to(7), sender=None) == 0
    assert hub.read(Mark("conv_1", ANNA.author, 9, 0), None, sender=None) == 1
    further = Mark("conv_1", MAYA.author, 8, 0)
    assert hub.read(further, further, sender=customer) == 1
    assert (staff.versions, customer.versions) == ([7, 9, 8], [4])


class Listener:
    """A member of a hub, and the versions it was told."""

    def __init__(self, *, staff: bool = True) -> None:
        self.staff = staff
        self.versions: list[int] = []

    def signal(self, signal: Signal) -> None:
        self.versions.append(signal.members["version"])
