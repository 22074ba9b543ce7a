"""SSE and NDJSON: every event once, in order, from any position, as the same bytes."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import msgspec
import pytest
import trio

from engine import crypto
from engine.auth import tokens
from engine.log.cursor import CursorMaker
from tests.support.answers import PATIENCE_SECONDS, problem
from tests.support.cursors import of_another_log
from tests.support.rooms import rooms_on
from tests.support.servers import Server
from tests.support.streams import NDJSON, SSE, following
from tests.support.talk import EVENTS, MESSAGES, USER, get, note, post

FEED = "/v1/events/stream"
FORMATS = pytest.mark.parametrize("accept", [NDJSON, SSE], ids=["ndjson", "sse"])


@pytest.mark.requirement("S27")
async def test_lines_begin_with_type_id_and_data(server: Server) -> None:
    async with server.client(server.tenant.live) as client:
        message = await post(client, author=USER)
        async with following(client, f"{FEED}?since=now-1m", {"Accept": "*/*"}) as stream:
            assert stream.headers["content-type"] == "application/x-ndjson"
            created, written = await stream.raw(2)
    assert created.startswith(b'{"type":"conversation.created","id":"evt_')
    head = f'{{"type":"message.created","id":"{message["event_id"]}","data":{{"id":"msg_'
    assert written.startswith(head.encode())
    assert list(msgspec.json.decode(written))[:3] == ["type", "id", "data"]


@FORMATS
async def test_a_stream_is_not_kept_by_anybody_between(
    server: Server, accept: dict[str, str]
) -> None:
    async with (
        server.client(server.tenant.live) as client,
        following(client, FEED, accept) as stream,
    ):
        assert stream.headers["content-type"].startswith(accept["Accept"])
        assert stream.headers["cache-control"] == "no-store"
        assert stream.headers["request-id"].startswith("req_")
        await post(client)
        assert await stream.versions(2) == [1, 2]


@pytest.mark.requirement("S19")
async def test_an_event_source_resumes_by_the_ids_it_was_given(server: Server) -> None:
    async with server.client(server.tenant.live) as client:
        for number in range(3):
            await post(client, str(number))
        for path in (FEED, EVENTS):
            async with following(client, path, SSE, last_event_id="now-1h") as s:
                events = await s.take(4)
                assert s.ids == [event["cursor"] for event in events]
                assert [int(text) > 0 for text in s.retries] == [True]
            for at, last in enumerate(s.ids[:-1]):
                headers = SSE | {"Last-Event-ID": last}
                async with following(client, path, headers) as again:
                    assert await again.take(3 - at) == events[at + 1 :]
                async with following(client, path, SSE, last_event_id=last) as again:
                    assert await again.take(3 - at) == events[at + 1 :]


@pytest.mark.requirement("B60")
async def test_one_event_is_the_same_bytes_at_every_door(server: Server) -> None:
    text = 'one\n\ndata: two\r\nevent: x\u2028 Ünïcödé \U0001f600 "quoted" \\'
    async with server.client(server.tenant.live) as client:
        await post(client, text, author=USER, metadata={"a": [1, 2.5, None, {"b": True}]})
        page = await client.get(EVENTS, headers={"Accept": "application/json"})
        seen = []
        for path in (FEED, EVENTS):
            for accept in (NDJSON, SSE):
                async with following(client, path, accept, last_event_id="now-1h") as stream:
                    seen.append(await stream.raw(2))
        assert seen[1:] == seen[:-1]
        assert b'{"data":[' + b",".join(seen[0]) + b'],"next":null}' == page.content
        assert msgspec.json.decode(seen[0][1])["data"]["text"] == text


@pytest.mark.requirement("S106")
async def test_types_choose_events(server: Server) -> None:
    async with server.client(server.tenant.live) as client:
        await post(client)
        await post(client)
        for types, versions in (
            ("message.created", [2, 3]),
            ("message.*", [2, 3]),
            ("conversation.*,message.created", [1, 2, 3]),
            ("*", [1, 2, 3]),
            ("conversation.created", [1]),
        ):
            async with following(client, FEED, since="now-1m", types=types) as stream:
                assert await stream.versions(len(versions)) == versions
        async with following(client, FEED, since="now-1m", types="conversation.created") as stream:
            await post(client, conversation="conv_124")
            names = [event["data"]["external_id"] for event in await stream.take(2)]
            assert names == ["conv_123", "conv_124"]
        for types in (
            "nonsense",
            "message",
            "message.deleted",
            "mess*",
            "message.created,",
            "*.created",
        ):
            answer = await client.get(FEED, params={"types": types})
            problem(answer, 422, "out_of_range")


async def test_a_stream_of_one_conversation_has_its_events_alone(server: Server) -> None:
    async with server.client(server.tenant.live) as client:
        id_ = (await post(client))["conversation_id"]
        for name in ("conv_123", id_):
            async with following(client, FEED, conversation=name, since="0") as stream:
                await post(client, conversation="conv_124")
                await post(client)
                seen = await stream.take(3)
            assert {event["conversation"] for event in seen} == {id_}
            assert [event["version"] for event in seen] == [1, 2, 3]
        problem(await client.get(FEED, params={"conversation": "conv_9"}), 404, "not_found")


Writes = Callable[[int], Awaitable[dict[str, Any]]]
FORMS: dict[str, Callable[[dict[str, Any]], str]] = {
    "version": lambda message: str(message["version"]),
    "quoted version": lambda message: f'"{message["version"]}"',
    "ETag": lambda message: f'"{message["epoch"]}.{message["version"]}"',
    "event id": lambda message: str(message["event_id"]),
    "cursor": lambda message: str(message["cursor"]),
    "time": lambda _: "now-1h",
}


@pytest.mark.requirement("G2")
@FORMATS
@pytest.mark.parametrize("form", FORMS)
async def test_every_position_resumes_exactly_while_others_write(
    server: Server, accept: dict[str, str], form: str
) -> None:
    async with server.client(server.tenant.live) as client:
        message = [await post(client, str(number)) for number in range(5)][2]
        after = 0 if form == "time" else message["version"]
        position = FORMS[form](message)
        doors = [(EVENTS, {"after": position}), (EVENTS, {"last_event_id": position})]
        doors.append((FEED, {"since": position, "conversation": "conv_123"}))

        async def write() -> None:
            for number in range(12):
                await post(client, f"live {number}")
                await post(client, "elsewhere", conversation="conv_124")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(write)
            for path, query in doors:
                async with following(client, path, accept, **query) as stream:
                    assert await stream.versions(18 - after) == list(range(after + 1, 19))
        assert (await get(client, EVENTS))["data"][-1]["version"] == 18


@pytest.mark.requirement("S26")
@pytest.mark.parametrize("form", ["event id", "cursor", "time"])
async def test_every_position_of_the_environment_resumes_exactly(server: Server, form: str) -> None:
    async with server.client(server.tenant.live) as client:
        for number in range(3):
            await post(client, conversation=f"conv_{number}")
        async with following(client, FEED, since="now-1h") as stream:
            events = await stream.raw(6)
        for at, event in enumerate(msgspec.json.decode(event) for event in events[:-1]):
            position = {"event id": event["id"], "cursor": event["cursor"]}.get(form, "now-1h")
            expected = events if form == "time" else events[at + 1 :]
            async with following(client, FEED, since=position) as stream:
                assert await stream.raw(len(expected)) == expected


async def test_a_version_without_its_conversation_is_no_position(server: Server) -> None:
    async with server.client(server.tenant.live) as client:
        epoch = (await post(client))["epoch"]
        for version in ("1", '"1"', f'"{epoch}.1"', "0"):
            problem(await client.get(FEED, params={"since": version}), 422, "bad_position")
            header = {"Last-Event-ID": version}
            problem(await client.get(FEED, headers=header), 422, "bad_position")


@pytest.mark.parametrize("path", [FEED, EVENTS])
async def test_a_position_nobody_gave_out_is_refused(server: Server, path: str) -> None:
    foreign = CursorMaker(crypto.new_key(), "aaaaaaaa").make(1)
    async with server.client(server.tenant.live) as client:
        cursor = (await post(client))["cursor"]
        environment = await server.node.engine.environment(server.tenant.workspace, "live")
        ahead = environment.log.cursors.make(3)
        changed = cursor[:-1] + ("A" if cursor[-1] != "A" else "Q")
        for text, status, code in (
            (foreign, 400, "bad_cursor"),
            (changed, 400, "bad_cursor"),
            (cursor[:-3], 400, "bad_cursor"),
            (cursor + cursor, 400, "bad_cursor"),
            ("cur_", 400, "bad_cursor"),
            (ahead, 422, "bad_version"),
            ("evt_01jd1e2f3g4h5j6k7m8n9p0q1r", 422, "bad_position"),
            ("now+1m", 422, "bad_position"),
            ("now-1y", 422, "bad_position"),
            ("2026-02-30T00:00:00Z", 422, "bad_position"),
            ("2026-01-01T00:00:00+99:99", 422, "bad_position"),
            ("2026-W01-1", 422, "bad_position"),
        ):
            for where in (
                {"params": {"last_event_id": text}},
                {"headers": {"Last-Event-ID": text}},
            ):
                problem(await client.get(path, **where), status, code)  # type: ignore[arg-type]
        long = {"Last-Event-ID": "cur_" + "A" * 4_000}
        problem(await client.get(path, headers=long), 400, "bad_cursor")


@FORMATS
async def test_a_position_of_a_log_that_is_gone_says_so_first(
    server: Server, accept: dict[str, str]
) -> None:
    environment = await server.node.engine.environment(server.tenant.workspace, "live")
    earlier = of_another_log(environment.log.cursors, "aaaaaaaa")
    async with server.client(server.tenant.live) as client:
        await post(client)
        doors = [(FEED, earlier.make(1)), (EVENTS, earlier.make(99)), (EVENTS, '"aaaaaaaa.7"')]
        for path, position in doors:
            async with following(client, path, accept, last_event_id=position) as stream:
                reset, *events = await stream.take(3)
                assert reset["type"] == "stream.reset"
                assert [event["version"] for event in events] == [1, 2]
            async with following(client, path, accept, last_event_id=reset["earliest"]) as stream:
                assert await stream.versions(2) == [1, 2]


@FORMATS
async def test_a_stream_ends_with_its_key(server: Server, accept: dict[str, str]) -> None:
    async with server.client(await server.ephemeral("usr_45")) as client:
        await post(client)
    key = await short_lived(server, "usr_45")
    async with (
        server.client(key) as client,
        following(client, EVENTS, accept, after="0") as stream,
    ):
        assert await stream.versions(2) == [1, 2]
        assert await stream.rest() == []
        problem(await client.get(EVENTS), 401, "unauthenticated")


async def short_lived(server: Server, subject: str) -> str:
    """Return an ephemeral key that ends within two seconds."""
    engine, tenant = server.node.engine, server.tenant
    parent = await engine.authenticate(tenant.live)
    environment = await engine.environment(tenant.workspace, "live")
    claims = tokens.EphemeralClaims(
        workspace=tenant.workspace,
        parent=parent.key_id,
        subject=subject,
        scopes=("conversation:read",),
        expires_s=int(time.time()) + 2,
        nonce=b"12345678",
    )
    return tokens.ephemeral_key("live", claims, key=environment.ephemeral_keys._key)  # noqa: SLF001


async def test_a_stream_left_behind_is_let_go(server: Server) -> None:
    environment = await server.node.engine.environment(server.tenant.workspace, "live")
    bus = environment.bus
    async with server.client(server.tenant.live) as client:
        await post(client)
        for path in (FEED, EVENTS):
            async with following(client, path, last_event_id="now-1h") as stream:
                await stream.versions(2)
                assert len(rooms_on(bus)) == 1
            with trio.fail_after(PATIENCE_SECONDS):
                await post(client)
                while rooms_on(bus):  # noqa: ASYNC110
                    await post(client, "a write finds out")


async def test_a_customer_follows_one_conversation_and_sees_no_gap(server: Server) -> None:
    scopes = ("conversation:read", "conversation:write", "events:read")
    async with (
        server.client(server.tenant.live) as staff,
        server.client(await server.ephemeral(scopes=scopes)) as customer,
    ):
        await post(customer)
        problem(await customer.get(FEED), 403, "forbidden")
        doors: tuple[tuple[str, dict[str, str]], ...] = (
            (EVENTS, {"after": "0"}),
            (FEED, {"conversation": "conv_123", "since": "0"}),
        )
        for path, query in doors:
            for accept in (NDJSON, SSE):
                head = (await get(staff, MESSAGES, limit=200))["data"][-1]["version"]
                async with following(customer, path, accept, **query) as stream:
                    seen = await stream.take(2)
                    await note(staff)
                    await note(staff)
                    last = await post(staff, "an answer")
                    while seen[-1]["version"] != last["version"]:
                        seen += await stream.take(1)
                assert last["version"] == head + 3
                chain = [event["previous"] for event in seen]
                assert chain == [0, *(event["version"] for event in seen[:-1])]
                assert all(event["data"].get("visibility") != "note" for event in seen)


async def test_a_stream_cannot_be_had_as_something_else(server: Server) -> None:
    async with server.client(server.tenant.live) as client:
        for accept in ("application/json", "text/html", "image/png"):
            answer = await client.get(FEED, headers={"Accept": accept})
            problem(answer, 406, "not_acceptable")
        head = await client.head(FEED)
        assert (head.status_code, head.content) == (httpx2.codes.OK, b"")
