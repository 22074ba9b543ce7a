"""What is hidden from a customer is answered like what is not there, at every door."""

import re
from typing import Any

import httpx2
import pytest

from tests.support.answers import apart_from_the_request
from tests.support.realtime import Talk, talking
from tests.support.servers import Server
from tests.support.streams import NDJSON, SSE, following
from tests.support.talk import EVENTS, MESSAGES, USER, get, note, post

FEED = "/v1/events/stream"
ALL = ("conversation:read", "conversation:write", "events:read")
JSON = {"Accept": "application/json"}
DOORS: dict[str, tuple[str, str, dict[str, str]]] = {
    "messages after": (MESSAGES, "after", JSON),
    "messages before": (MESSAGES, "before", JSON),
    "events after": (EVENTS, "after", JSON),
    "a stream after": (EVENTS, "after", NDJSON),
    "a stream after its last event": (EVENTS, "last_event_id", SSE),
    "the feed of a conversation": (f"{FEED}?conversation=conv_123", "since", NDJSON),
}


def without_numbers(document: dict[str, Any]) -> dict[str, Any]:
    """Return a refusal without the version it repeats."""
    return document | {"detail": re.sub(r"\d+", "N", document["detail"])}


async def refusals(
    client: httpx2.AsyncClient, talk: Talk, position: str | int
) -> dict[str, dict[str, Any]]:
    """Return how a position is refused at every door."""
    found = {}
    for name, (path, parameter, headers) in DOORS.items():
        url = httpx2.URL(path).copy_merge_params({parameter: str(position)})
        answer = await client.get(url, headers=headers)
        assert answer.status_code == 422, (name, answer.text)
        found[name] = without_numbers(apart_from_the_request(answer))
    problem = await talk.refused("subscribe", conversation="conv_123", after=position)
    problem.pop("request_id")
    found["a socket"] = without_numbers(problem)
    return found


async def test_the_version_of_a_note_is_refused_like_one_there_is_not(server: Server) -> None:
    key = await server.ephemeral(scopes=ALL)
    async with (
        server.client(server.tenant.live) as staff,
        server.client(key) as customer,
        talking(server.realtime_url, key) as talk,
    ):
        seen = (await post(customer, "help"))["version"]
        hidden = [(await note(staff))["version"] for _ in range(3)]
        absent = await refusals(customer, talk, hidden[-1] + 50)
        assert {problem["code"] for problem in absent.values()} == {"bad_version"}
        for version in (*hidden, hidden[-1] + 1):
            assert await refusals(customer, talk, version) == absent
        for name, (path, parameter, _) in DOORS.items():
            url = httpx2.URL(path).copy_merge_params({parameter: str(seen)})
            if "stream" not in name and "feed" not in name:
                assert (await customer.get(url, headers=JSON)).status_code == 200
        for body in ({"expected_version": hidden[0]}, {"expected_version": hidden[-1] + 50}):
            answer = await customer.post(MESSAGES, json={"text": "Hello", **body})
            assert answer.json()["code"] == "bad_version", answer.text
        assert (await get(staff, MESSAGES, after=str(hidden[0])))["data"] != []


async def test_an_event_of_elsewhere_or_of_a_note_is_refused_like_one_there_is_not(
    server: Server,
) -> None:
    key = await server.ephemeral(scopes=ALL)
    async with (
        server.client(server.tenant.live) as staff,
        server.client(key) as customer,
        talking(server.realtime_url, key) as talk,
        talking(server.realtime_url, server.tenant.live) as staff_talk,
    ):
        await post(customer, "help")
        hidden = (await note(staff))["event_id"]
        own = (await post(customer, "elsewhere", conversation="conv_124"))["event_id"]
        foreign = (await post(staff, "not theirs", conversation="conv_125"))["event_id"]
        absent = await refusals(customer, talk, "evt_01jd1e2f3g4h5j6k7m8n9p0q1r")
        assert {problem["code"] for problem in absent.values()} == {"bad_position"}
        for event_id in (hidden, own, foreign):
            assert await refusals(customer, talk, event_id) == absent
        for event_id in (own, foreign):
            assert await refusals(staff, staff_talk, event_id) == absent
        assert (await get(staff, MESSAGES, after=hidden))["data"] == []


BOT = {"type": "bot", "id": "bot_triage"}
REASONS = {"reasoning": "SECRET", "confidence": 0.4}


async def heard_over_the_socket(server: Server, key: str) -> list[dict[str, Any]]:
    async with talking(server.realtime_url, key) as talk:
        await talk.asked("subscribe", conversation="conv_123", after=2)
        return [event.event["data"] for event in await talk.events(2)]


async def missed(server: Server, key: str) -> list[list[dict[str, Any]]]:
    """Return what a conflict says was missed, over HTTP and over the socket."""
    stale = {"text": "Hello", "expected_version": 2}
    async with server.client(key) as client, talking(server.realtime_url, key) as talk:
        answer = (await client.post(MESSAGES, json=stale)).json()
        problem = await talk.refused("message.create", conversation="conv_123", message=stale)
    return [[event["data"] for event in one["missed"]] for one in (answer, problem)]


async def read_everywhere(server: Server, key: str) -> list[list[dict[str, Any]]]:
    """Return the same two messages as ``key`` reads them at each door."""
    found = [await heard_over_the_socket(server, key), *await missed(server, key)]
    async with server.client(key) as client:
        found.append((await get(client, MESSAGES, after="2"))["data"])
        found.append([e["data"] for e in (await get(client, EVENTS, after="2"))["data"]])
        doors: tuple[tuple[str, dict[str, str]], ...] = (
            (EVENTS, {"after": "2"}),
            (FEED, {"since": "2", "conversation": "conv_123"}),
        )
        for path, query in doors:
            for accept in (SSE, NDJSON):
                async with following(client, path, accept, **query) as stream:
                    found.append([event["data"] for event in await stream.take(2)])
    return found


async def test_the_metadata_of_a_bot_is_for_staff(server: Server) -> None:
    key = await server.ephemeral(scopes=ALL)
    async with server.client(server.tenant.live) as staff, server.client(key) as customer:
        await post(customer, "help")
        written = await post(staff, "I am a bot", author=BOT, metadata=REASONS)
        assert written["metadata"] == REASONS
        agent = {"type": "agent", "id": "agt_1"}
        await post(staff, "I am not", author=agent, metadata={"shown": True})
    for bot, human in await read_everywhere(server, server.tenant.live):
        assert (bot["metadata"], human["metadata"]) == (REASONS, {"shown": True})
    for bot, human in await read_everywhere(server, key):
        assert (bot["text"], bot["metadata"]) == ("I am a bot", {})
        assert human["metadata"] == {"shown": True}


@pytest.mark.parametrize("first", ["usr_45", None], ids=["the user", "staff for the user"])
async def test_a_claim_opens_nothing_said_before_it(server: Server, first: str | None) -> None:
    live = server.tenant.live
    environment = await server.node.engine.environment(server.tenant.workspace, "live")
    async with (
        server.client(await server.ephemeral(first) if first else live) as before,
        server.client(live) as staff,
        server.client(await server.ephemeral("acct_late", scopes=ALL)) as account,
    ):
        told = await post(before, "in confidence", author=USER)
        await post(account, "mine now", author=USER, conversation="conv_ours")
        absent = apart_from_the_request(await account.get("/v1/conversations/conv_absent"))
        for answer in (
            await account.get("/v1/conversations/conv_123"),
            await account.get(f"/v1/conversations/{told['conversation_id']}"),
            await account.get(MESSAGES),
            await account.get(EVENTS, headers=JSON),
            await account.get(FEED, params={"conversation": "conv_123"}),
            await account.post(MESSAGES, json={"text": "let me in", "author": USER}),
        ):
            assert answer.status_code == 404, answer.text
            assert apart_from_the_request(answer) == absent
        environment.clock.advance_to(environment.clock.now_ms() + 1)
        await post(staff, "on the phone", author=USER, conversation="conv_later")
        page = await get(account, "/v1/conversations/conv_later/messages")
        assert [message["text"] for message in page["data"]] == ["on the phone"]
