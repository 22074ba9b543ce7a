"""The same key and the same body again: the first answer, and one effect."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import trio

from engine.limits import IDEMPOTENCY_KEY_CHARACTERS_MAX
from gateway.api.contract import Route
from tests.support.answers import MUTATING, PATIENCE_SECONDS, exchange, path_of, problem, raw_post
from tests.support.disks import MemoryDisk
from tests.support.servers import Server, serving
from tests.support.talk import EVENTS, MESSAGES, USER, get, position, post

KEY = "msg-client-987"
EPHEMERAL = "/v1/auth/ephemeral"
GRANT = {"user_id": "acct_123", "scopes": ["conversation:read"], "ttl": 600}


def keyed(key: str) -> dict[str, str]:
    return {"Idempotency-Key": key}


def without_key(route: Route) -> dict[str, Any]:
    return {k: v for k, v in route.examples.items() if k != "idempotency_key"}


def same(first: httpx2.Response, again: httpx2.Response) -> bool:
    return (again.status_code, again.content) == (first.status_code, first.content)


@pytest.mark.parametrize("route", MUTATING, ids=lambda route: route.name)
async def test_the_same_key_and_body_give_the_first_answer_wherever_the_key_stands(
    server: Server, route: Route
) -> None:
    body, path = without_key(route), path_of(route)
    async with server.client(server.tenant.live) as client:
        first = await client.request(route.method, path, json=body, headers=keyed(KEY))
        assert first.status_code == route.status, first.text
        assert "Idempotent-Replayed" not in first.headers
        before = await position(server)
        again = [
            await client.request(route.method, path, json=body, headers=keyed(KEY)),
            await client.request(route.method, path, json=body, headers=keyed(f'"{KEY}"')),
            await client.request(route.method, path, json=body | {"idempotency_key": KEY}),
            await client.request(
                route.method, path, json=body | {"idempotency_key": KEY}, headers=keyed(KEY)
            ),
        ]
        assert all(same(first, answer) for answer in again)
        assert {answer.headers["Idempotent-Replayed"] for answer in again} == {"true"}
        assert {answer.headers.get("ETag") for answer in again} == {first.headers.get("ETag")}
        assert await position(server) == before


@pytest.mark.parametrize("route", MUTATING, ids=lambda route: route.name)
async def test_the_same_key_with_another_body_is_refused(server: Server, route: Route) -> None:
    body, path = without_key(route), path_of(route)
    member = "text" if "text" in body else "user_id"
    async with server.client(server.tenant.live) as client:
        first = await client.request(route.method, path, json=body, headers=keyed(KEY))
        before = await position(server)
        other = body | {member: body[member] + "0"}
        refused = await client.request(route.method, path, json=other, headers=keyed(KEY))
        problem(refused, 422, "idempotency_mismatch")
        assert await position(server) == before
        again = await client.request(route.method, path, json=body, headers=keyed(KEY))
        assert same(first, again)


@pytest.mark.parametrize("route", MUTATING, ids=lambda route: route.name)
async def test_a_key_that_is_none_is_refused(server: Server, route: Route) -> None:
    body, path = without_key(route), path_of(route)
    longest = "k" * IDEMPOTENCY_KEY_CHARACTERS_MAX
    async with server.client(server.tenant.live) as client:
        before = await position(server)
        for key in ("", '""', longest + "k", f'"{longest}k"'):
            answer = await client.request(route.method, path, json=body, headers=keyed(key))
            assert problem(answer, 400, "bad_idempotency_key")["errors"], key
        for key in ("", longest + "k", "a\nb", "a\tb", "a\r\nb", "kéy", " ", "a ", "\U0001f600"):
            answer = await client.request(route.method, path, json=body | {"idempotency_key": key})
            problem(answer, 400, "bad_idempotency_key")
        both = body | {"idempotency_key": KEY}
        answer = await client.request(route.method, path, json=both, headers=keyed("another"))
        problem(answer, 400, "bad_idempotency_key")
        assert await position(server) == before
        answer = await client.request(route.method, path, json=body, headers=keyed(longest))
        assert answer.status_code == route.status


@pytest.mark.parametrize(
    "line", [b"Idempotency-Key: a\tb", b"Idempotency-Key: k\xe9y", b"Idempotency-Key:"]
)
async def test_a_header_no_client_would_send_is_refused(server: Server, line: bytes) -> None:
    request = raw_post(MESSAGES, server.tenant.live, b'{"text":"Hello"}', line)
    problem(await exchange(server.url, request), 400, "bad_idempotency_key")


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


async def test_a_key_whose_first_request_still_runs_is_answered_later(tmp_path: Path) -> None:
    disk = MemoryDisk()
    body = {"text": "Hello", "idempotency_key": KEY}
    answers: list[httpx2.Response] = []
    async with (
        serving(tmp_path, stores=disk.stores) as server,
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


async def test_a_restart_forgets_no_key(tmp_path: Path) -> None:
    answers: list[httpx2.Response] = []
    grants: list[httpx2.Response] = []
    key = ""
    for _ in range(2):
        async with serving(tmp_path) as server:
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
