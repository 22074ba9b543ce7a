"""Who hears what over the realtime door, and when the door is closed."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from engine.actor.outcome import Origin
from engine.auth.service import EphemeralGrant
from gateway.limits import SHUTDOWN_SECONDS
from tests.support.realtime import PATIENCE_SECONDS, Talk, dialing, talking
from tests.support.servers import Server, ServerName, serving

pytestmark = pytest.mark.usefixtures("speech")

ANNA = {"type": "user", "id": "usr_anna"}
MAYA = {"type": "agent", "id": "agent_maya"}


@asynccontextmanager
async def anna(server: Server) -> AsyncIterator[Talk]:
    """Talk with the key of a customer."""
    async with talking(server.realtime_url, await server.ephemeral("usr_anna")) as talk:
        yield talk


async def heard_so_far(talk: Talk) -> list[str]:
    """Return the ops of all that came before the answer to a ping sent now."""
    ops: list[str] = []
    await talk.say("ping", ref="all")
    while (frame := await talk.hear()).get("ref") != "all":
        ops.append(frame["op"])
    return ops


@pytest.mark.requirement("S46")
async def test_typing_reaches_the_others_who_are_there_and_nobody_else(server: Server) -> None:
    tenant = await server.new_tenant()
    url, live = server.realtime_url, server.tenant.live
    async with (
        anna(server) as customer,
        talking(url, live) as staff,
        talking(url, live) as elsewhere,
        talking(url, server.tenant.test) as sandbox,
        talking(url, tenant.live) as stranger,
    ):
        for talk in (customer, sandbox, stranger):
            await talk.post("conv_123", "Hello", author=ANNA)
        await elsewhere.post("conv_other", "Hello")
        for talk in (customer, staff, sandbox, stranger):
            await talk.asked("subscribe", conversation="conv_123")
        await elsewhere.asked("subscribe", conversation="conv_other")

        await customer.say("typing", conversation="conv_123", state="start")
        signal = await staff.hear("signal")
        assert signal["kind"] == "typing"
        assert signal["state"] == "start"
        assert signal["author"] == ANNA
        assert signal["conversation"].startswith("conv_")
        await staff.say("typing", conversation="conv_123", state="start", author=MAYA)
        assert (await customer.hear("signal"))["author"] == MAYA
        for talk in (customer, staff, elsewhere, sandbox, stranger):
            assert await heard_so_far(talk) == []


async def test_nobody_types_in_a_conversation_that_is_hidden_or_under_a_false_name(
    server: Server,
) -> None:
    boris = await server.ephemeral("usr_boris")
    async with (
        anna(server) as customer,
        talking(server.realtime_url, boris) as other,
    ):
        await customer.post("conv_123", "Hello")
        await customer.asked("subscribe", conversation="conv_123")
        problem = await other.refused("typing", conversation="conv_123", state="start")
        assert problem["code"] == "not_found"
        problem = await customer.refused(
            "typing", conversation="conv_123", state="start", author=MAYA
        )
        assert problem["code"] == "author_mismatch"
        assert await heard_so_far(customer) == []


@pytest.mark.requirement("B56")
async def test_a_hidden_conversation_is_answered_like_one_there_is_not(server: Server) -> None:
    boris = await server.ephemeral("usr_boris")
    async with anna(server) as customer, talking(server.realtime_url, boris) as other:
        posted = await customer.post("conv_123", "Hello")
        problems = []
        for name in ("conv_123", posted["conversation"], "conv_nowhere"):
            problem = await other.refused("subscribe", conversation=name, after=0)
            problem.pop("request_id")
            problems.append(problem)
            problem = await other.refused(
                "message.create", conversation=posted["conversation"], message={"text": "let me in"}
            )
            assert problem["code"] == "not_found"
        assert problems[0] == problems[1] == problems[2]
        assert problems[0]["code"] == "not_found"


async def test_a_key_narrowed_to_one_conversation_knows_no_other(server: Server) -> None:
    narrow = await server.ephemeral("usr_anna", conversations=["conv_123"])
    async with anna(server) as wide, talking(server.realtime_url, narrow) as talk:
        await wide.post("conv_123", "here")
        await wide.post("conv_other", "there")
        await talk.asked("subscribe", conversation="conv_123")
        assert (await talk.refused("subscribe", conversation="conv_other"))["code"] == "not_found"
        message = {"text": "x"}
        problem = await talk.refused("message.create", conversation="conv_other", message=message)
        assert problem["code"] == "not_found"


async def test_a_customer_hears_no_note_and_misses_no_link_of_the_chain(server: Server) -> None:
    async with anna(server) as customer, talking(server.realtime_url, server.tenant.live) as staff:
        await customer.post("conv_123", "Hello")
        await customer.asked("subscribe", conversation="conv_123", after=0)
        for at in range(12):
            kind = "public" if at % 3 == 0 else "note"
            await staff.post("conv_123", f"line {at}", author=MAYA, visibility=kind)
        last = await staff.post("conv_123", "the end", author=MAYA)
        heard = [await customer.event()]
        while heard[-1].version < last["version"]:
            heard.append(await customer.event())
        assert [event.version for event in heard] == [1, 2, 3, 6, 9, 12, 15]
        for before, event in itertools.pairwise(heard):
            assert event.event["previous"] == before.version
        assert not any("note" in str(event.frame) for event in heard)

        for at, event in enumerate(heard):
            for after in (event.version, event.event["cursor"], event.event["id"]):
                async with anna(server) as again:
                    granted = await again.asked("subscribe", conversation="conv_123", after=after)
                    assert granted["version"] == last["version"]
                    rest = await again.events(len(heard) - at - 1)
                    assert [e.event_bytes for e in rest] == [e.event_bytes for e in heard[at + 1 :]]
                    assert await heard_so_far(again) == []


async def test_a_customers_head_does_not_give_a_note_away(server: Server) -> None:
    async with anna(server) as customer, talking(server.realtime_url, server.tenant.live) as staff:
        posted = await customer.post("conv_123", "Hello")
        await staff.post("conv_123", "psst", author=MAYA, visibility="note")
        granted = await customer.asked("subscribe", conversation="conv_123")
        assert granted["version"] == posted["version"]
        assert await heard_so_far(customer) == []


async def test_staff_can_follow_everything_by_type_and_from_a_cursor_on(server: Server) -> None:
    async with talking(server.realtime_url, server.tenant.live) as talk:
        first = await talk.post("conv_1", "one")
        await talk.post("conv_2", "two")
        third = await talk.post("conv_1", "three")
        granted = await talk.asked("subscribe", events=["message.*"], after=first["cursor"])
        assert granted["cursor"] == first["cursor"]
        texts = [(await talk.event()).event["data"]["text"] for _ in range(2)]
        assert texts == ["two", "three"]
        await talk.post("conv_3", "four")
        event = await talk.event()
        assert event.event["data"]["text"] == "four"
        assert event.frame["conversation"] == event.event["conversation"]

        granted = await talk.asked("subscribe", events=["conversation.created"], after="now-1h")
        created = await talk.events(3)
        assert [e.event["type"] for e in created] == ["conversation.created"] * 3
        await talk.asked("subscribe", events=["*"], after=third["event_id"])
        assert [e.event["type"] for e in await talk.events(2)] == [
            "conversation.created",
            "message.created",
        ]
        await talk.asked("subscribe", events=["*"])
        assert await heard_so_far(talk) == []


async def test_events_of_everybody_are_for_staff_with_the_scope(server: Server) -> None:
    scopes = ("conversation:read", "conversation:write", "events:read")
    customer = await server.ephemeral("usr_anna", scopes=scopes)
    async with talking(server.realtime_url, customer) as talk:
        assert (await talk.refused("subscribe", events=["*"]))["code"] == "forbidden"
    async with anna(server) as talk:
        problem = await talk.refused("subscribe", events=["*"])
        assert problem["code"] == "missing_scope"
        assert problem["required_scopes"] == ["events:read"]


@pytest.mark.requirement("G19")
async def test_another_tenant_hears_nothing_of_it(server: Server) -> None:
    tenant = await server.new_tenant()
    async with (
        talking(server.realtime_url, server.tenant.live) as talk,
        talking(server.realtime_url, tenant.live) as stranger,
    ):
        posted = await talk.post("conv_123", "Hello")
        await stranger.asked("subscribe", events=["*"])
        await talk.post("conv_123", "again")
        name = posted["conversation"]
        assert (await stranger.refused("subscribe", conversation=name))["code"] == "not_found"
        for after, code in ((posted["cursor"], "bad_cursor"), (posted["event_id"], "bad_position")):
            problem = await stranger.refused("subscribe", events=["*"], after=after)
            assert problem["code"] == code
        assert await heard_so_far(stranger) == []


async def soon_over(server: Server, ttl_s: int) -> str:
    """Return an ephemeral key that ends sooner than the API would make it."""
    engine = server.node.engine
    parent = await engine.authenticate(server.tenant.live)
    environment = await engine.environment(server.tenant.workspace, "live")
    grant = EphemeralGrant("usr_anna", ("conversation:read", "conversation:write"), ttl_s, None)
    receipt = await environment.ephemeral_keys.create(
        parent, grant, origin=Origin(parent.subject), secret=bytes(32)
    )
    return receipt.ephemeral_key


async def test_the_end_of_a_key_ends_the_open_socket(server: Server) -> None:
    async with dialing(server.realtime_url) as talk:
        ready = await talk.ask("auth", token=await soon_over(server, 2))
        assert ready["op"] == "ready"
        await talk.post("conv_123", "while it lasts")
        frames, code = await talk.closing()
    (bye,) = frames
    assert bye["op"] == "bye"
    assert bye["code"] == code == 4003
    assert bye["reconnect"] is False
    assert "expired" in bye["reason"]


async def test_a_server_that_stops_says_goodbye_and_when_to_come_back(
    tmp_path: Path, server_name: ServerName
) -> None:
    async with (
        serving(tmp_path / "data", server=server_name) as server,
        talking(server.realtime_url, server.tenant.live) as talk,
        dialing(server.realtime_url) as unknown,
    ):
        posted = await talk.post("conv_123", "before")
        await talk.asked("subscribe", conversation="conv_123")
        began = trio.current_time()
        server.node.stopping.set()
        for one in (talk, unknown):
            (bye,), code = await one.closing()
            assert bye["op"] == "bye"
            assert bye["code"] == code == 1012
            assert bye["reconnect"] is True
            assert bye["retry_after"] > 0
        assert trio.current_time() - began < SHUTDOWN_SECONDS
    with trio.fail_after(PATIENCE_SECONDS):
        async with serving(tmp_path / "data") as server:
            assert await server.node.engine.workspaces()
            assert posted["version"] == 2
