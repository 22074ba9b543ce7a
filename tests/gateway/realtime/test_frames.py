"""The bytes of an event: one build for every recipient, the same event at every door."""

import json
from collections.abc import Callable

import pytest

from engine.log.event import Event
from engine.log.log import Log
from gateway.realtime import frames
from gateway.realtime.hub import Hub, Hubs
from tests.support.tallies import Count, tallying

Build = Callable[[Log, Event, str], bytes]
BUILDS: list[Build] = [
    frames.event_json,
    frames.ndjson_line,
    frames.sse_event,
    frames.websocket_json,
]


@pytest.mark.parametrize("build", BUILDS)
async def test_a_frame_is_built_once_an_audience_and_shared(build: Build) -> None:
    async with tallying() as tallies:
        await tallies.ask(Count("a"))
        (event,) = await tallies.log.read_feed(after=0)
        event.previous_public = 0
        assert build(tallies.log, event, "staff") is build(tallies.log, event, "staff")
        assert build(tallies.log, event, "staff") is not build(tallies.log, event, "customer")


async def test_every_door_carries_the_same_event_byte_for_byte() -> None:
    async with tallying() as tallies:
        await tallies.ask(Count("line\nbreak \u2028 é"))
        (event,) = await tallies.log.read_feed(after=0)
        log = tallies.log
        body = frames.event_json(log, event, "staff")
        assert frames.ndjson_line(log, event, "staff") == body + b"\n"
        cursor = log.cursor_of(event)
        assert frames.sse_event(log, event, "staff") == (
            b"id: " + cursor.encode() + b"\ndata: " + body + b"\n\n"
        )
        socket = frames.websocket_json(log, event, "staff")
        assert socket.endswith(b',"event":' + body + b"}")
        found = json.loads(socket)
        assert (found["op"], found["version"], found["epoch"]) == ("event", 1, log.epoch)
        assert found["event"] == json.loads(body)
        assert b"\n" not in body


async def test_the_previous_version_is_the_one_that_the_audience_saw() -> None:
    async with tallying() as tallies:
        await tallies.ask(Count("a", times=5))
        event = (await tallies.log.read_feed(after=0))[4]
        event.previous_public = 2
        for audience, previous in (("staff", 4), ("customer", 2)):
            found = json.loads(frames.event_json(tallies.log, event, audience))
            assert (found["version"], found["previous"]) == (5, previous)
            assert found["cursor"] == tallies.log.cursor_of(event)


class Seat:
    """A member of a hub, and the signals it was given."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []

    def signal(self, frame: bytes) -> None:
        self.heard.append(frame)


def test_a_signal_reaches_everybody_here_but_its_sender() -> None:
    hub, seats = Hub(), [Seat() for _ in range(4)]
    for seat in seats[:3]:
        hub.join("conv_1", seat)
    hub.join("conv_2", seats[3])
    hub.signal("conv_1", b"typing", sender=seats[0])
    assert [seat.heard for seat in seats] == [[], [b"typing"], [b"typing"], []]


def test_who_left_hears_nothing_and_may_leave_twice() -> None:
    hub, here, gone = Hub(), Seat(), Seat()
    hub.join("conv_1", here)
    hub.join("conv_1", gone)
    hub.leave("conv_1", gone)
    hub.leave("conv_1", gone)
    hub.leave("nowhere", gone)
    hub.signal("conv_1", b"typing", sender=gone)
    assert (here.heard, gone.heard) == ([b"typing"], [])


def test_two_tenants_and_two_environments_never_meet() -> None:
    hubs = Hubs()
    assert hubs.of("ws_1", "live") is hubs.of("ws_1", "live")
    found = {id(hubs.of(*place)) for place in (("a", "live"), ("a", "test"), ("b", "live"))}
    assert len(found) == 3
