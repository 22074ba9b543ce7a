"""Typing, presence and read marks between sockets: what is told, to whom, and when it ends."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.fanout import presences, typists
from gateway.limits import CONVERSATION_AUTHORS_MAX
from tests.support.realtime import JSON, MSGPACK, Talk, talking
from tests.support.servers import Server

pytestmark = pytest.mark.usefixtures("speech")

ANNA = {"type": "user", "id": "usr_anna"}
MAYA = {"type": "agent", "id": "agent_maya"}
HERE = {"conversation": "conv_123"}
SOON_SECONDS = 0.2


@asynccontextmanager
async def both(server: Server) -> AsyncIterator[tuple[Talk, Talk]]:
    """Let a customer and staff follow one conversation."""
    key = await server.ephemeral("usr_anna")
    async with (
        talking(server.realtime_url, key) as customer,
        talking(server.realtime_url, server.tenant.live) as staff,
    ):
        await customer.post("conv_123", "Hello")
        for talk in (customer, staff):
            await talk.asked("subscribe", **HERE, after=1)
            await talk.event()  # so it is live, and hears the signals too
        yield customer, staff


async def test_typing_that_is_not_repeated_is_over_by_itself(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(typists, "TYPING_SECONDS", SOON_SECONDS)
    async with both(server) as (customer, staff):
        await customer.say("typing", **HERE, state="start")
        started, stopped = await staff.hear("signal"), await staff.hear("signal")
        assert started == {
            "op": "signal",
            "kind": "typing",
            "conversation": started["conversation"],
            "state": "start",
            "author": ANNA,
            "visibility": "public",
        }
        assert stopped == started | {"state": "stop"}
        assert await customer.heard_so_far() == []


async def test_who_unsubscribes_or_leaves_types_no_longer(server: Server) -> None:
    async with both(server) as (customer, staff):
        async with talking(server.realtime_url, server.tenant.live) as other:
            await other.asked("subscribe", **HERE)
            await other.asked("typing", **HERE, state="start", author=MAYA)
            await other.asked("unsubscribe", **HERE)
            for talk in (customer, staff):
                assert [f["state"] for f in await talk.heard_so_far()] == ["start", "stop"]
            boris = {"type": "agent", "id": "agent_boris"}
            await other.asked("typing", **HERE, state="start", author=boris)
            await other.line.cut()
        for talk in (customer, staff):
            assert [(await talk.hear("signal"))["state"] for _ in range(2)] == ["start", "stop"]


async def test_repeated_typing_is_told_once_in_a_while(server: Server) -> None:
    async with both(server) as (customer, staff):
        for _ in range(100):
            await customer.say("typing", **HERE, state="start")
        await customer.asked("typing", **HERE, state="stop")
        told = [frame["state"] for frame in await staff.heard_so_far()]
        assert told[0] == "start"
        assert told[-1] == "stop"
        assert len(told) < 10


async def test_a_note_is_typed_among_staff_and_by_staff_alone(server: Server) -> None:
    async with (
        both(server) as (customer, staff),
        talking(server.realtime_url, server.tenant.live) as writer,
    ):
        note = {"visibility": "note", **HERE}
        await writer.asked("typing", **note, state="start", author=MAYA)
        signal = await staff.hear("signal")
        assert (signal["author"], signal["visibility"]) == (MAYA, "note")
        refused = await customer.refused("typing", **note, state="start")
        assert refused["code"] == "forbidden"
        await writer.asked("typing", **note, state="stop", author=MAYA)
        assert (await staff.hear("signal"))["state"] == "stop"
        assert await customer.heard_so_far() == []


async def test_a_conversation_has_room_for_so_many_who_type(server: Server) -> None:
    async with both(server) as (customer, staff):
        for at in range(CONVERSATION_AUTHORS_MAX):
            author = {"type": "agent", "id": f"agent_{at}"}
            await staff.say("typing", **HERE, state="start", author=author)
        refused = await staff.refused("typing", **HERE, state="start", author=MAYA)
        assert refused["code"] == "out_of_range"
        assert len(await customer.heard_so_far()) == CONVERSATION_AUTHORS_MAX
        await staff.post("conv_123", "still here")


@pytest.mark.requirement("S45")
async def test_presence_is_told_to_the_others_and_ends_a_grace_after_the_socket(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presences, "PRESENCE_GRACE_SECONDS", SOON_SECONDS)
    monkeypatch.setattr(presences, "SIGNAL_SECONDS", SOON_SECONDS)
    async with both(server) as (customer, staff):
        async with talking(server.realtime_url, server.tenant.live) as other:
            await other.asked("presence", **HERE, state="online", author=MAYA)
            for talk in (customer, staff):
                told = await talk.hear("signal")
                assert (told["kind"], told["state"], told["author"]) == ("presence", "online", MAYA)
                assert told["since"].endswith("Z")
            await other.asked("presence", **HERE, state="away", author=MAYA)
            assert (await customer.hear("signal"))["state"] == "away"
        assert (await customer.hear("signal"))["state"] == "offline"
        assert [f["state"] for f in await staff.heard_so_far()] == ["away", "offline"]


async def test_who_is_back_within_the_grace_was_never_gone(server: Server) -> None:
    async with both(server) as (customer, staff):
        for _ in range(3):
            async with talking(server.realtime_url, server.tenant.live) as other:
                await other.asked("presence", **HERE, state="online", author=MAYA)
        async with talking(server.realtime_url, server.tenant.live) as other:
            await other.asked("presence", **HERE, state="online", author=MAYA)
            for talk in (customer, staff):
                assert [f["state"] for f in await talk.heard_so_far()] == ["online"]


async def test_presence_has_the_rights_of_a_message_and_leaves_no_trace(server: Server) -> None:
    boris = await server.ephemeral("usr_boris")
    reader = await server.ephemeral("usr_anna", scopes=("conversation:read",))
    async with (
        both(server) as (customer, staff),
        talking(server.realtime_url, boris) as stranger,
        talking(server.realtime_url, reader) as silent,
    ):
        online = {"state": "online", **HERE}
        assert (await stranger.refused("presence", **online))["code"] == "not_found"
        assert (await silent.refused("presence", **online))["code"] == "missing_scope"
        assert (await silent.refused("read", **HERE, version=1))["code"] == "missing_scope"
        refused = await customer.refused("presence", **online, author=MAYA)
        assert refused["code"] == "author_mismatch"
        bell = {"type": "agent", "id": "agent\x07"}
        refused = await staff.refused("presence", **online, author=bell)
        assert refused["code"] == "forbidden_character"
        await customer.asked("presence", **online)
        assert (await staff.hear("signal"))["author"] == ANNA
        page = await staff.asked("call", method="GET", path="/v1/conversations/conv_123/events?")
        assert [event["type"] for event in page["body"]["data"]] == [
            "conversation.created",
            "message.created",
        ]


async def test_a_read_mark_is_told_when_it_is_on_disk(server: Server) -> None:
    async with both(server) as (customer, staff):
        answer = await customer.asked("read", **HERE, version=2)
        assert answer["version"] == 2
        assert await staff.hear() == {
            "op": "signal",
            "kind": "read",
            "conversation": answer["conversation"],
            "reader": ANNA,
            "version": 2,
        }
        assert (await customer.asked("read", **HERE, version=1))["version"] == 2
        assert (await customer.refused("read", **HERE, version=3))["code"] == "bad_version"
        path = "/v1/conversations/conv_123/read"
        marks = (await customer.asked("call", method="GET", path=path))["body"]["data"]
        assert [(mark["reader"], mark["version"]) for mark in marks] == [(ANNA, 2)]


async def test_customers_are_told_what_those_have_read_whom_they_know(server: Server) -> None:
    async with (
        both(server) as (customer, staff),
        talking(server.realtime_url, server.tenant.live) as colleague,
    ):
        await staff.post("conv_123", "psst", author=MAYA, visibility="note")
        await staff.event()
        await colleague.asked("read", **HERE, version=3, author=MAYA)
        assert (await staff.hear("signal"))["reader"] == MAYA
        assert await customer.heard_so_far() == []
        await staff.post("conv_123", "Hello", author=MAYA)
        await customer.event()
        await colleague.asked("read", **HERE, version=4, author=MAYA)
        assert (await customer.hear("signal"))["reader"] == MAYA


async def test_every_dialect_hears_the_signals_of_the_other(server: Server) -> None:
    async with (
        talking(server.realtime_url, server.tenant.live, JSON) as one,
        talking(server.realtime_url, server.tenant.live, MSGPACK) as other,
    ):
        await one.post("conv_123", "Hello")
        for talk in (one, other):
            await talk.asked("subscribe", **HERE)
        await one.asked("typing", **HERE, state="start", author=MAYA)
        await other.asked("typing", **HERE, state="start", author=ANNA)
        assert (await other.hear("signal"))["author"] == MAYA
        assert (await one.hear("signal"))["author"] == ANNA
        posted = await one.post("conv_123", "again")
        events = [await talk.event() for talk in (one, other)]
        assert events[0].event == events[1].event
        assert events[0].event["id"] == posted["event_id"]


async def test_open_sockets_are_counted_by_their_dialect(server: Server) -> None:
    counts = server.node.switchboard.sessions.counts
    async with (
        talking(server.realtime_url, server.tenant.live, JSON) as one,
        talking(server.realtime_url, server.tenant.live, MSGPACK) as other,
        talking(server.realtime_url, server.tenant.live, MSGPACK),
    ):
        assert +counts == {JSON.subprotocol: 1, MSGPACK.subprotocol: 2}
        for talk in (one, other):
            await talk.say_raw(b"" if talk is other else "")
            await talk.hear("error")
    async with talking(server.realtime_url, server.tenant.live, JSON) as late:
        await late.heard_so_far()
        while counts[MSGPACK.subprotocol] or counts[JSON.subprotocol] > 1:
            await late.heard_so_far()
