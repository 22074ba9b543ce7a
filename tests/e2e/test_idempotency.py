"""The same key and the same body again: the first answer, and one effect."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import trio
from msgspec import inspect

from engine.limits import IDEMPOTENCY_KEY_CHARACTERS_MAX
from gateway.api.contract import Route
from tests.support.answers import (
    MUTATING,
    PATIENCE_SECONDS,
    REPLAYING,
    WITH_BODY,
    exchange,
    fields_of,
    good,
    kinds_of,
    problem,
    raw_post,
)
from tests.support.disks import MemoryDisk
from tests.support.servers import Server, ServerName, serving
from tests.support.talk import CONVERSATION, EVENTS, MESSAGES, USER, get, position, post, prepared

KEY = "msg-client-987"
EPHEMERAL = "/v1/auth/ephemeral"
BOTH = tuple(route for route in REPLAYING if route.body is not None)
GRANT = {"user_id": "acct_123", "scopes": ["conversation:read"], "ttl": 600}


def by_name(route: Route) -> str:
    return route.name


def keyed(key: str) -> dict[str, str]:
    return {"Idempotency-Key": key}


def same(first: httpx2.Response, again: httpx2.Response) -> bool:
    return (again.status_code, again.content) == (first.status_code, first.content)


async def ask(
    client: httpx2.AsyncClient,
    route: Route,
    path: str,
    key: str | None = KEY,
    body: dict[str, Any] | None = None,
) -> httpx2.Response:
    """Send a request a route takes, or ``body`` in its place, with ``key`` in its header."""
    body = (good(route) if body is None else body) if route.body else None
    return await client.request(
        route.method, path, json=body, headers=keyed(key) if key is not None else None
    )


@pytest.mark.requirement("S85", "G5")
@pytest.mark.parametrize("route", REPLAYING, ids=by_name)
async def test_the_same_key_gives_the_first_answer(server: Server, route: Route) -> None:
    async with server.staff() as client:
        path = await prepared(client, route)
        first = await ask(client, route, path)
        assert first.status_code == route.status, first.text
        assert "Idempotent-Replayed" not in first.headers
        before = await position(server)
        for key in (KEY, f'"{KEY}"'):
            again = await ask(client, route, path, key)
            assert same(first, again)
            assert again.headers["Idempotent-Replayed"] == "true"
            assert again.headers.get("ETag") == first.headers.get("ETag")
        assert await position(server) == before


@pytest.mark.parametrize("route", REPLAYING, ids=by_name)
async def test_the_first_answer_is_given_again_whatever_has_happened_since(
    server: Server, route: Route
) -> None:
    async with server.staff() as client:
        path = await prepared(client, route)
        first = await ask(client, route, path)
        await post(client, "and then?")
        head = {"If-Match": "*"}
        closing = {"priority": "urgent", "attributes": {"plan": "pro"}}
        assert (await client.patch(CONVERSATION, json=closing, headers=head)).status_code == 200
        before = await position(server)
        again = await ask(client, route, path)
        assert same(first, again)
        assert again.headers.get("ETag") == first.headers.get("ETag")
        assert await position(server) == before


@pytest.mark.requirement("S85")
@pytest.mark.parametrize("route", BOTH, ids=by_name)
async def test_a_key_is_one_in_header_and_body(server: Server, route: Route) -> None:
    body = good(route) | {"idempotency_key": KEY}
    async with server.staff() as client:
        path = await prepared(client, route)
        first = await ask(client, route, path)
        before = await position(server)
        for key in (None, KEY):
            again = await ask(client, route, path, key, body)
            assert same(first, again)
            assert again.headers["Idempotent-Replayed"] == "true"
        assert await position(server) == before


@pytest.mark.requirement("S85")
@pytest.mark.parametrize("route", MUTATING, ids=by_name)
async def test_an_answer_is_said_to_be_given_again_where_keys_are_remembered_and_nowhere_else(
    server: Server, route: Route
) -> None:
    async with server.staff() as client:
        path = await prepared(client, route)
        first, again = [await ask(client, route, path) for _ in range(2)]
        assert "Idempotent-Replayed" not in first.headers
        assert again.status_code == route.status, again.text
        assert ("Idempotent-Replayed" in again.headers) == route.replays


def others(route: Route) -> list[dict[str, Any]]:
    """Return bodies of the right form, each with one member that is another than in the example."""
    body = good(route)
    assert route.body is not None
    kinds = {field.encode_name: kinds_of(field)[0] for field in fields_of(route.body)}
    found = []
    for name, value in body.items():
        kind = kinds[name]
        if isinstance(kind, inspect.StrType) and kind.pattern is None:
            found.append(body | {name: value + "0"})
        elif isinstance(value, int):
            found.append(body | {name: value - 1})
        elif isinstance(value, list):
            found.append(body | {name: value[:-1]})
        elif isinstance(value, dict):
            found.append(body | {name: value | {"id": value["id"] + "0"}})
    return found


@pytest.mark.requirement("G5", "B29")
@pytest.mark.parametrize("route", BOTH, ids=by_name)
async def test_the_same_key_with_another_body_is_refused(server: Server, route: Route) -> None:
    async with server.staff() as client:
        path = await prepared(client, route)
        first = await ask(client, route, path)
        before = await position(server)
        assert len(others(route)) > 0
        for other in others(route):
            problem(await ask(client, route, path, body=other), 422, "idempotency_mismatch")
        assert await position(server) == before
        assert same(first, await ask(client, route, path))


@pytest.mark.requirement("S85", "B31")
@pytest.mark.parametrize("route", MUTATING, ids=by_name)
async def test_a_key_that_is_none_is_refused(server: Server, route: Route) -> None:
    longest = "k" * IDEMPOTENCY_KEY_CHARACTERS_MAX
    async with server.staff() as client:
        path = await prepared(client, route)
        before = await position(server)
        for key in ("", '""', longest + "k", f'"{longest}k"'):
            answer = await ask(client, route, path, key)
            assert problem(answer, 400, "bad_idempotency_key")["errors"], key
        assert await position(server) == before
        answer = await ask(client, route, path, longest)
        assert answer.status_code == route.status


@pytest.mark.requirement("B31")
@pytest.mark.parametrize("route", WITH_BODY, ids=by_name)
async def test_a_key_in_a_body_that_is_none_is_refused(server: Server, route: Route) -> None:
    longest = "k" * IDEMPOTENCY_KEY_CHARACTERS_MAX
    async with server.staff() as client:
        path = await prepared(client, route)
        before = await position(server)
        for key in ("", longest + "k", "a\nb", "a\tb", "a\r\nb", "kéy", " ", "a ", "\U0001f600"):
            body = good(route) | {"idempotency_key": key}
            problem(await ask(client, route, path, None, body), 400, "bad_idempotency_key")
        both = good(route) | {"idempotency_key": KEY}
        answer = await ask(client, route, path, "another", both)
        problem(answer, 400, "bad_idempotency_key")
        assert await position(server) == before
        assert (await ask(client, route, path, longest)).status_code == route.status


@pytest.mark.parametrize(
    "line", [b"Idempotency-Key: a\tb", b"Idempotency-Key: k\xe9y", b"Idempotency-Key:"]
)
async def test_a_header_no_client_would_send_is_refused(server: Server, line: bytes) -> None:
    request = raw_post(MESSAGES, server.tenant.live, b'{"text":"Hello"}', line)
    problem(await exchange(server.url, request), 400, "bad_idempotency_key")


@pytest.mark.requirement("B31")
async def test_a_header_with_a_line_break_makes_no_message(server: Server) -> None:
    line = b"Idempotency-Key: a\nb"
    request = raw_post(MESSAGES, server.tenant.live, b'{"text":"Hello"}', line)
    answer = await exchange(server.url, request)
    assert answer.status_code == 400
    assert await position(server) == 0


@asynccontextmanager
async def held_back(disk: MemoryDisk) -> AsyncIterator[None]:
    """Let the next commit wait until the block is left."""
    disk.hold()
    try:
        yield
    finally:
        disk.release()


@pytest.mark.requirement("G5", "B30")
async def test_a_key_whose_first_request_still_runs_is_answered_later(
    tmp_path: Path, server_name: ServerName
) -> None:
    disk = MemoryDisk()
    body = {"text": "Hello", "idempotency_key": KEY}
    answers: list[httpx2.Response] = []
    async with (
        serving(tmp_path, server=server_name, stores=disk.stores) as server,
        server.client(server.tenant.live) as client,
    ):
        await post(client, "the conversation is there")

        async def send() -> None:
            answers.append(await client.post(MESSAGES, json=body))

        async with trio.open_nursery() as nursery, held_back(disk):
            nursery.start_soon(send)
            with trio.fail_after(PATIENCE_SECONDS):
                await disk.wait_held()
                refused = await client.post(MESSAGES, json=body)
        await send()
        problem(refused, 409, "idempotency_in_progress")
        assert int(refused.headers["Retry-After"]) >= 1
        assert answers[0].status_code == 201
        assert same(*answers)
        assert [m["text"] for m in (await get(client, MESSAGES))["data"]][1:] == ["Hello"]


@pytest.mark.requirement("B32")
async def test_one_key_means_something_else_to_everybody_and_everywhere(server: Server) -> None:
    other = await server.new_tenant()
    key = await server.ephemeral()
    second = await server.node.engine.create_key(server.tenant.workspace, "live", name="second")
    body = {"text": "Hello", "author": USER}
    paths = [MESSAGES, "/v1/conversations/conv_124/messages"]
    ids = set()
    for credential in (key, server.tenant.live, server.tenant.test, other.live, second):
        async with server.client(credential) as client:
            for path in paths:
                answer = await client.post(path, json=body, headers=keyed(KEY))
                assert answer.status_code == 201, answer.text
                assert "Idempotent-Replayed" not in answer.headers
                ids.add(answer.json()["id"])
            if credential != key:
                answer = await client.post(EPHEMERAL, json=GRANT, headers=keyed(KEY))
                assert answer.status_code == 201
                ids.add(answer.json()["ephemeral_key"])
    assert len(ids) == 14


async def test_a_new_key_of_the_same_subject_may_repeat_its_request(server: Server) -> None:
    body = {"text": "Hello", "idempotency_key": KEY}
    answers = []
    for _ in range(2):
        async with server.client(await server.ephemeral("acct_123")) as client:
            answers.append(await client.post(MESSAGES, json=body))
    assert same(*answers)
    assert answers[1].headers["Idempotent-Replayed"] == "true"


async def test_two_names_of_one_conversation_are_one_path(server: Server) -> None:
    body = {"text": "Hello", "idempotency_key": KEY}
    async with server.client(server.tenant.live) as client:
        first = await client.post(MESSAGES, json=body)
        id_ = first.json()["conversation_id"]
        again = await client.post(f"/v1/conversations/{id_}/messages", json=body)
        escaped = await client.post("/v1/conversations/conv%5F123/messages", json=body)
    assert same(first, again)
    assert same(first, escaped)


async def test_the_key_is_looked_up_before_the_version(server: Server) -> None:
    body = {"text": "Hello", "expected_version": 2, "idempotency_key": KEY}
    async with server.client(server.tenant.live) as client:
        seen = await post(client)
        tag = {"If-Match": f'"{seen["epoch"]}.2"'}
        first = await client.post(MESSAGES, json=body, headers=tag)
        assert first.status_code == 201
        await post(client, "meanwhile")
        again = await client.post(MESSAGES, json=body, headers=tag)
        assert same(first, again)


async def test_a_refusal_does_not_use_the_key_up(server: Server) -> None:
    async with server.client(server.tenant.live) as client:
        await post(client)
        stale = {"text": "Hello", "expected_version": 1}
        refused = await client.post(MESSAGES, json=stale, headers=keyed(KEY))
        problem(refused, 412, "version_conflict")
        answer = await client.post(MESSAGES, json={"text": "Hello"}, headers=keyed(KEY))
        assert answer.status_code == 201
        assert len((await get(client, EVENTS))["data"]) == 3


@pytest.mark.requirement("G5")
async def test_a_restart_forgets_no_key(tmp_path: Path, server_name: ServerName) -> None:
    answers: list[httpx2.Response] = []
    grants: list[httpx2.Response] = []
    key = ""
    for _ in range(2):
        async with serving(tmp_path, server=server_name) as server:
            key = key or server.tenant.live
            async with server.client(key) as client:
                body = {"text": "Hello", "idempotency_key": KEY}
                answers.append(await client.post(MESSAGES, json=body))
                grants.append(await client.post(EPHEMERAL, json=GRANT, headers=keyed(KEY)))
                other = await client.post(MESSAGES, json=body | {"text": "Other"})
                problem(other, 422, "idempotency_mismatch")
                wider = await client.post(EPHEMERAL, json=GRANT | {"ttl": 601}, headers=keyed(KEY))
                problem(wider, 422, "idempotency_mismatch")
                assert len((await get(client, EVENTS))["data"]) == 2
    assert same(*answers)
    assert same(*grants)
    assert grants[1].headers["Idempotent-Replayed"] == "true"


async def test_a_kept_ephemeral_key_is_for_its_asker_alone_and_in_no_file(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        engine, workspace = server.node.engine, server.tenant.workspace
        second = await engine.create_key(workspace, "live", name="second")
        keys = set()
        for credential in (server.tenant.live, second, server.tenant.live):
            async with server.client(credential) as client:
                answer = await client.post(EPHEMERAL, json=GRANT, headers=keyed(KEY))
                keys.add(answer.json()["ephemeral_key"])
                assert answer.headers["Cache-Control"] == "no-store"
        assert len(keys) == 2
        secrets = [*keys, server.tenant.live, second]
        assert found_in(tmp_path, secrets) == []
    assert found_in(tmp_path, secrets) == []


def found_in(folder: Path, secrets: list[str]) -> list[Path]:
    """Return the files that hold one of the secrets, whole or without its prefix."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    needles = [part.encode() for text in secrets for part in (text, text.split("_", 2)[2][:24])]
    return [path for path in files if any(needle in path.read_bytes() for needle in needles)]
