"""The bytes of an event: one build for every recipient, the same event at every door."""

import json
from collections.abc import Callable

import msgspec
import pytest

from engine.log.event import Event
from engine.log.log import Log
from gateway.fanout import frames
from gateway.realtime import dialects
from gateway.realtime.dialects.dialect import Dialect
from tests.support.tallies import Count, tallying

Build = Callable[[Log, Event, str], bytes]
BUILDS: list[Build] = [
    frames.event_json,
    frames.ndjson_line,
    frames.sse_event,
    frames.websocket_json,
    frames.websocket_msgpack,
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


async def test_both_dialects_carry_the_same_event() -> None:
    async with tallying() as tallies:
        await tallies.ask(Count("line\nbreak \u2028 \u00e9 \U0001f600"))
        (event,) = await tallies.log.read_feed(after=0)
        for audience in ("staff", "customer"):
            packed = frames.websocket_msgpack(tallies.log, event, audience)
            written = frames.websocket_json(tallies.log, event, audience)
            assert msgspec.msgpack.decode(packed) == json.loads(written)
            assert len(packed) < len(written)


@pytest.mark.parametrize(
    "dialect", dialects.DIALECTS.values(), ids=lambda dialect: dialect.subprotocol
)
@pytest.mark.parametrize("ref", [None, 0, 7, "seven \u0020\u00e9"])
async def test_a_receipt_is_the_frame_of_its_members(
    dialect: Dialect, ref: int | str | None
) -> None:
    async with tallying() as tallies:
        await tallies.ask(Count("a"))
        (event,) = await tallies.log.read_feed(after=0)
        members = {
            "id": event.resource_id,
            "conversation": event.stream.name,
            "version": 1,
            "epoch": tallies.log.epoch,
            "cursor": tallies.log.cursor_of(event),
            "event_id": event.id,
            "replayed": True,
        }
        named = members if ref is None else {"ref": ref, **members}
        receipt = frames.receipt(tallies.log, ref, event, replayed=True)
        assert dialect.encode_struct(receipt) == dialect.encode("ok", named)
