"""Typing, presence and read marks over REST reach the same sockets, and are nowhere kept."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest

from gateway.fanout import presences, typists
from tests.support.answers import problem
from tests.support.realtime import Talk, talking
from tests.support.servers import Server
from tests.support.talk import position, post

CONVERSATION = "/v1/conversations/conv_123"
TYPING, PRESENCE, READ = (f"{CONVERSATION}/{kind}" for kind in ("typing", "presence", "read"))
MAYA = {"type": "agent", "id": "agent_maya"}
USER = {"type": "user", "id": "usr_45"}
SOON_SECONDS = 0.2


@asynccontextmanager
async def staff_and_listener(server: Server) -> AsyncIterator[tuple[httpx2.AsyncClient, Talk]]:
    """Give a client of staff, and a socket that follows the conversation."""
    async with (
        server.client(server.tenant.live) as client,
        talking(server.realtime_url, server.tenant.live) as talk,
    ):
        await post(client, author=USER)
        await talk.asked("subscribe", conversation="conv_123")
        yield client, talk


async def test_typing_is_signalled_and_over_by_itself(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(typists, "TYPING_SECONDS", SOON_SECONDS)
    async with staff_and_listener(server) as (client, talk):
        answer = await client.post(TYPING, json={"state": "start", "author": MAYA})
        assert (answer.status_code, answer.json()) == (202, {"signalled": 1})
        signals = [await talk.hear("signal") for _ in range(2)]
        assert [signal["state"] for signal in signals] == ["start", "stop"]
        assert {signal["author"]["id"] for signal in signals} == {"agent_maya"}
        answer = await client.post(TYPING, json={"state": "stop", "author": MAYA})
        assert (answer.status_code, answer.json()) == (202, {"signalled": 0})


async def test_presence_lapses_unless_it_is_repeated(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presences, "PRESENCE_REST_SECONDS", SOON_SECONDS)
    monkeypatch.setattr(presences, "SIGNAL_SECONDS", SOON_SECONDS)
    async with staff_and_listener(server) as (client, talk):
        answer = await client.post(PRESENCE, json={"state": "away", "author": MAYA})
        assert (answer.status_code, answer.json()) == (202, {"signalled": 1})
        assert [(await talk.hear("signal"))["state"] for _ in range(2)] == ["away", "offline"]


@pytest.mark.requirement("S45")
async def test_who_is_present_can_be_read(server: Server) -> None:
    async with (
        staff_and_listener(server) as (client, talk),
        server.client(await server.ephemeral("acct_123")) as stranger,
        server.client(await server.ephemeral("usr_45")) as customer,
    ):
        assert (await client.get(PRESENCE)).json() == {"data": [], "next": None}
        await client.post(PRESENCE, json={"state": "online", "author": MAYA})
        await talk.asked("presence", conversation="conv_123", state="away", author=USER)
        answer = await customer.get(PRESENCE)
        assert answer.headers["cache-control"] == "no-store"
        found = answer.json()["data"]
        assert [(one["author"], one["state"]) for one in found] == [
            (MAYA, "online"),
            (USER, "away"),
        ]
        assert all(one["since"].endswith("Z") for one in found)
        problem(await stranger.get(PRESENCE), 404, "not_found")
        await client.post(PRESENCE, json={"state": "offline", "author": MAYA})
        assert [one["author"] for one in (await client.get(PRESENCE)).json()["data"]] == [USER]


async def test_nothing_of_it_is_kept_and_a_key_has_nothing_to_replay(server: Server) -> None:
    async with staff_and_listener(server) as (client, _):
        before = await position(server)
        for path, state in ((TYPING, "start"), (PRESENCE, "online")):
            body = {"state": state, "author": MAYA, "idempotency_key": "key-1"}
            for told in (1, 0):
                answer = await client.post(path, json=body)
                assert (answer.status_code, answer.json()) == (202, {"signalled": told})
                assert "Idempotent-Replayed" not in answer.headers
            other = body | {"state": "stop" if path == TYPING else "away"}
            assert (await client.post(path, json=other)).status_code == 202
            refused = await client.post(path, json=body | {"idempotency_key": "a\nb"})
            problem(refused, 400, "bad_idempotency_key")
        assert await position(server) == before


async def test_a_mark_moves_on_and_never_back(server: Server) -> None:
    async with staff_and_listener(server) as (client, talk):
        mark: dict[str, Any] = {}
        for version, expected in ((1, 1), (2, 2), (1, 2), (2, 2)):
            answer = await client.post(READ, json={"version": version, "author": USER})
            assert answer.status_code == 200
            mark = answer.json()
            assert (mark["reader"], mark["version"]) == (USER, expected)
            assert mark["conversation_id"].startswith("conv_")
            assert mark["read_at"].endswith("Z")
        listed = (await client.get(READ)).json()
        assert listed == {"data": [mark], "next": None}
        assert [frame["version"] for frame in await talk.heard_so_far()] == [1, 2]
        problem(await client.post(READ, json={"version": 9, "author": USER}), 422, "bad_version")
        problem(await client.post(READ, json={"version": -1}), 422, "out_of_range")


async def test_the_rights_are_those_of_a_message(server: Server) -> None:
    reading = await server.ephemeral("usr_45", scopes=("conversation:read",))
    bodies = ((TYPING, {"state": "start"}), (PRESENCE, {"state": "online"}), (READ, {"version": 1}))
    async with (
        staff_and_listener(server) as (client, talk),
        server.client(await server.ephemeral("usr_45")) as customer,
        server.client(await server.ephemeral("usr_other")) as stranger,
        server.client(reading) as reader,
    ):
        for path, body in bodies:
            problem(await stranger.post(path, json=body), 404, "not_found")
            problem(await reader.post(path, json=body), 403, "missing_scope")
            problem(await customer.post(path, json=body | {"author": MAYA}), 403, "author_mismatch")
            assert (await customer.post(path, json=body)).is_success
            nowhere = path.replace("conv_123", "conv_nowhere")
            problem(await client.post(nowhere, json=body), 404, "not_found")
        note = {"state": "start", "visibility": "note"}
        problem(await customer.post(TYPING, json=note), 403, "forbidden")
        assert len(await talk.heard_so_far()) == 3
