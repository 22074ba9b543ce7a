"""A customer who takes part no more: it hears that, and nothing that comes after it."""

from typing import Any

import httpx2
import pytest
import trio

from engine.conversation.state import ConversationView
from engine.errand import in_task
from engine.log.event import Event
from engine.principal import Principal
from tests.support.realtime import Talk, talking
from tests.support.servers import Server
from tests.support.streams import NDJSON, SSE, following

pytestmark = pytest.mark.usefixtures("speech")

ANNA = {"type": "user", "id": "usr_anna"}
BORIS = {"type": "user", "id": "usr_boris"}
CONVERSATION = "/v1/conversations/conv_123"
PARTICIPANTS, EVENTS = f"{CONVERSATION}/participants", f"{CONVERSATION}/events"


async def remove(client: httpx2.AsyncClient, author: dict[str, str]) -> None:
    answer = await client.delete(f"{PARTICIPANTS}/{author['type']}/{author['id']}")
    assert answer.is_success, answer.text


async def add(client: httpx2.AsyncClient, author: dict[str, str]) -> None:
    answer = await client.post(PARTICIPANTS, json=author)
    assert answer.is_success, answer.text


async def begun(server: Server, talk: Talk) -> str:
    """Let Anna begin a conversation in which Boris takes part; return Boris' key."""
    await talk.post("conv_123", "Hello", author=ANNA)
    async with server.client(server.tenant.live) as client:
        await add(client, BORIS)
    return await server.ephemeral("usr_boris")


async def test_who_is_removed_hears_of_it_and_of_nothing_more(server: Server) -> None:
    anna = await server.ephemeral("usr_anna")
    async with (
        talking(server.realtime_url, anna) as customer,
        talking(server.realtime_url, server.tenant.live) as staff,
        server.client(server.tenant.live) as client,
    ):
        await customer.post("conv_123", "Hello")
        granted = await customer.asked("subscribe", conversation="conv_123")
        await staff.asked("subscribe", conversation="conv_123")
        await remove(client, ANNA)
        removed = await customer.event()
        assert removed.event["type"] == "participant.removed"
        assert removed.event["data"]["participant"] == ANNA
        assert await customer.hear() == {
            "op": "unsubscribed",
            "conversation": granted["conversation"],
            "reason": "participants_changed",
            "version": removed.version,
        }
        await staff.post("conv_123", "among us")
        agent = {"type": "agent", "id": "agent_maya"}
        await staff.asked("typing", conversation="conv_123", state="start", author=agent)
        assert await customer.heard_so_far() == []
        for op in ("subscribe", "typing", "presence"):
            more = {} if op == "subscribe" else {"state": "start" if op == "typing" else "online"}
            refused = await customer.refused(op, conversation="conv_123", **more)
            assert refused["code"] == "not_found"
        heard = await staff.events(2)
        assert [event.event["type"] for event in heard] == [
            "participant.removed",
            "message.created",
        ]


async def test_who_still_takes_part_subscribes_again_and_misses_nothing(server: Server) -> None:
    async with (
        talking(server.realtime_url, server.tenant.live) as staff,
        server.client(server.tenant.live) as client,
    ):
        boris = await begun(server, staff)
        async with talking(server.realtime_url, boris) as customer:
            await customer.asked("subscribe", conversation="conv_123")
            await remove(client, ANNA)
            removed = await customer.event()
            told = await customer.hear("unsubscribed")
            assert told["version"] == removed.version
            posted = await staff.post("conv_123", "only the two of us now")
            await customer.asked("subscribe", conversation="conv_123", after=told["version"])
            assert (await customer.event()).version == posted["version"]


async def test_a_customer_that_reads_everything_stops_at_each_removal(server: Server) -> None:
    async with (
        talking(server.realtime_url, server.tenant.live) as staff,
        server.client(server.tenant.live) as client,
    ):
        boris = await begun(server, staff)
        for _ in range(2):
            await remove(client, ANNA)
            await staff.post("conv_123", "in between")
            await add(client, ANNA)
        last = await staff.post("conv_123", "the end")
        versions: list[int] = []
        ends = 0
        async with talking(server.realtime_url, boris) as customer:
            after = 0
            while after < last["version"]:
                await customer.asked("subscribe", conversation="conv_123", after=after)
                while after < last["version"]:
                    frame = await customer.hear()
                    after = frame["version"]
                    if frame["op"] == "unsubscribed":
                        ends += 1
                        break
                    versions.append(after)
            assert await customer.heard_so_far() == []
        assert ends == 2
        assert versions == list(range(1, last["version"] + 1))


async def test_a_removal_while_the_subscription_is_made_is_not_passed_over(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna = await server.ephemeral("usr_anna")
    environment = await server.node.engine.environment(server.tenant.workspace, "live")
    see = environment.conversations.see
    async with (
        talking(server.realtime_url, anna) as customer,
        server.client(server.tenant.live) as client,
    ):
        await customer.post("conv_123", "Hello")

        async def removing(who: Principal, name: str) -> ConversationView:
            seen = await see(who, name)
            monkeypatch.setattr(environment.conversations, "see", see)
            await in_task()
            await remove(client, ANNA)
            return seen

        monkeypatch.setattr(environment.conversations, "see", removing)
        await customer.asked("subscribe", conversation="conv_123")
        assert (await customer.event()).event["type"] == "participant.removed"
        await customer.hear("unsubscribed")


async def test_who_has_not_read_yet_that_it_was_removed_hears_no_signals_and_sends_none(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna = await server.ephemeral("usr_anna")
    environment = await server.node.engine.environment(server.tenant.workspace, "live")
    read, lagging = environment.log.read, trio.Event()

    async def read_late(*args: Any, **options: Any) -> list[Event]:
        await lagging.wait()
        return await read(*args, **options)

    async with (
        talking(server.realtime_url, anna) as customer,
        talking(server.realtime_url, server.tenant.live) as staff,
        server.client(server.tenant.live) as client,
    ):
        await customer.post("conv_123", "Hello")
        await staff.asked("subscribe", conversation="conv_123", after=1)
        await staff.event()
        monkeypatch.setattr(environment.log, "read", read_late)
        await customer.asked("subscribe", conversation="conv_123", after=0)
        await remove(client, ANNA)
        agent = {"type": "agent", "id": "agent_maya"}
        await client.post(f"{CONVERSATION}/typing", json={"state": "start", "author": agent})
        await customer.say("typing", ref=1, conversation="conv_123", state="start")
        await staff.event()
        assert (await staff.hear("signal"))["author"] == agent
        await staff.heard_so_far()
        lagging.set()
        frames = [await customer.hear() for _ in range(5)]
        found = sorted(frame["op"] for frame in frames)
        assert found == ["error", "event", "event", "event", "unsubscribed"]
        assert await customer.heard_so_far() == await staff.heard_so_far() == []


async def test_staff_and_those_who_follow_other_conversations_go_on(server: Server) -> None:
    anna = await server.ephemeral("usr_anna")
    async with (
        talking(server.realtime_url, anna) as customer,
        talking(server.realtime_url, server.tenant.live) as staff,
        server.client(server.tenant.live) as client,
    ):
        for name in ("conv_123", "conv_other"):
            await customer.post(name, "Hello")
            await customer.asked("subscribe", conversation=name)
        await staff.asked("subscribe", events=["*"])
        await remove(client, ANNA)
        assert (await staff.event()).event["type"] == "participant.removed"
        await customer.event()
        await customer.hear("unsubscribed")
        await staff.post("conv_other", "still there?")
        assert (await customer.event()).event["data"]["text"] == "still there?"
        assert (await staff.event()).event["data"]["text"] == "still there?"


async def test_who_is_removed_types_no_longer_and_is_no_longer_present(server: Server) -> None:
    anna = await server.ephemeral("usr_anna")
    async with (
        talking(server.realtime_url, anna) as customer,
        talking(server.realtime_url, server.tenant.live) as staff,
        server.client(server.tenant.live) as client,
    ):
        await customer.post("conv_123", "Hello")
        await customer.asked("subscribe", conversation="conv_123")
        await staff.asked("subscribe", conversation="conv_123")
        await customer.asked("typing", conversation="conv_123", state="start")
        await customer.asked("presence", conversation="conv_123", state="online")
        for state in ("start", "online"):
            assert (await staff.hear("signal"))["state"] == state
        await remove(client, ANNA)
        frames = [await staff.hear() for _ in range(3)]
        found = sorted(frame.get("state", frame["op"]) for frame in frames)
        assert found == ["event", "offline", "stop"]


@pytest.mark.parametrize("accept", [SSE, NDJSON], ids=["sse", "ndjson"])
@pytest.mark.parametrize("query", [{}, {"types": "message.*"}], ids=["all", "messages"])
async def test_a_stream_of_a_customer_ends_behind_a_removal(
    server: Server, accept: dict[str, str], query: dict[str, str]
) -> None:
    scopes = ("conversation:read", "conversation:write", "events:read")
    anna = await server.ephemeral("usr_anna", scopes=scopes)
    path = "/v1/events/stream" if query else EVENTS
    if query:
        query = query | {"conversation": "conv_123"}
    async with (
        server.client(anna) as customer,
        server.client(server.tenant.live) as staff,
    ):
        body = {"text": "Hello"}
        assert (await customer.post("/v1/conversations/conv_123/messages", json=body)).is_success
        async with (
            following(customer, path, accept, **query) as events,
            following(staff, EVENTS, accept) as all_events,
        ):
            await remove(staff, ANNA)
            await staff.post("/v1/conversations/conv_123/messages", json={"text": "among us"})
            rest = b"\n".join(await events.rest())
            assert (b"participant.removed" in rest) is (not query)
            assert b"among us" not in rest
            heard = await all_events.take(2)
            assert [event["type"] for event in heard] == ["participant.removed", "message.created"]
        answer = await customer.get(EVENTS, headers=accept)
        assert answer.status_code == 404
