"""Who is let in by the realtime door, and in which words the others are not."""

from urllib.parse import urlsplit

import pytest
import trio

from gateway.limits import FRAME_BYTES_MAX, HEARTBEAT_SECONDS
from gateway.realtime import session
from tests.support.realtime import (
    JSON,
    MSGPACK,
    PATIENCE_SECONDS,
    LineClosedError,
    Speech,
    TrioLine,
    bearer,
    dialing,
    refusal,
    talking,
    talking_httpx,
)
from tests.support.servers import Server
from tests.support.talk import get

pytestmark = pytest.mark.usefixtures("speech")

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def test_a_header_is_enough_to_be_let_in(server: Server, speech: Speech) -> None:
    async with dialing(server.realtime_url, bearer(server.tenant.live)) as talk:
        ready = await talk.hear("ready")
        assert ready["connection"].startswith("con_")
        assert ready["heartbeat_ms"] == HEARTBEAT_SECONDS * 1000
        assert ready["environment"] == "live"
        assert ready["audience"] == "staff"
        assert "ref" not in ready
        assert isinstance(talk.line, TrioLine)
        assert talk.line.connection.subprotocol == speech.subprotocol


@pytest.mark.parametrize(
    ("offering", "agreed", "spoken"),
    [
        (["graphql-ws", "parley.v1+msgpack", "parley.v1+json"], "parley.v1+msgpack", MSGPACK),
        (["parley.v1+json", "parley.v1+msgpack"], "parley.v1+json", JSON),
        (["graphql-ws"], None, JSON),
        ([], None, JSON),
    ],
)
async def test_the_first_subprotocol_that_is_known_is_spoken(
    server: Server, offering: list[str], agreed: str | None, spoken: Speech
) -> None:
    headers = bearer(server.tenant.live)
    async with dialing(server.realtime_url, headers, speech=spoken, offering=offering) as talk:
        await talk.hear("ready")
        assert isinstance(talk.line, TrioLine)
        assert talk.line.connection.subprotocol == agreed
        await talk.post("conv_123", "understood")


@pytest.mark.requirement("S15")
async def test_a_first_frame_is_enough_to_be_let_in(server: Server) -> None:
    key = await server.ephemeral("acct_9", scopes=("conversation:read",))
    async with dialing(server.realtime_url) as talk:
        ready = await talk.ask("auth", token=key)
        assert ready["op"] == "ready"
        assert ready["subject"] == "acct_9"
        assert ready["audience"] == "customer"
        assert ready["scopes"] == ["conversation:read"]
        assert ready["expires_at"].endswith("Z")


async def test_another_library_is_let_in_as_well(server: Server) -> None:
    async with talking_httpx(server.realtime_url, server.tenant.test) as talk:
        await talk.say("ping")
        await talk.hear("pong")


async def test_what_a_socket_writes_carries_the_trace_of_its_upgrade(server: Server) -> None:
    key = server.tenant.live
    async with dialing(server.realtime_url, {**bearer(key), "traceparent": TRACE}) as talk:
        await talk.hear("ready")
        await talk.post("conv_123", "traced")
    async with server.client(key) as client:
        events = (await get(client, "/v1/conversations/conv_123/events"))["data"]
    assert {event["traceparent"] for event in events} == {TRACE}


@pytest.mark.requirement("B54")
async def test_who_never_says_who_it_is_is_sent_away(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "AUTH_SECONDS", 0.05)
    async with dialing(server.realtime_url) as talk:
        frames, code = await talk.closing()
    assert [frame["op"] for frame in frames] == ["bye"]
    assert frames[0]["code"] == 4001
    assert frames[0]["reconnect"] is True
    assert code == 4001


@pytest.mark.parametrize("token", ["", "nonsense", "sk_live_" + "x" * 38, "ek_live_" + "A" * 80])
async def test_a_token_that_is_none_is_refused_and_the_socket_closed(
    server: Server, token: str
) -> None:
    async with dialing(server.realtime_url) as talk:
        await talk.say("auth", ref=1, token=token)
        frames, code = await talk.closing()
    error, bye = frames
    assert error["op"] == "error"
    assert error["ref"] == 1
    assert error["problem"]["code"] == "unauthenticated"
    assert bye["op"] == "bye"
    assert bye["code"] == code == 4003
    assert bye["reconnect"] is False


async def test_an_admin_key_opens_no_realtime_door(server: Server) -> None:
    status, headers, problem = await refusal(server.realtime_url, bearer(server.tenant.admin))
    assert status == 403
    assert headers["content-type"] == "application/problem+json"
    assert problem["code"] == "forbidden"
    async with dialing(server.realtime_url) as talk:
        await talk.say("auth", ref=1, token=server.tenant.admin)
        frames, code = await talk.closing()
    assert frames[0]["problem"]["code"] == "forbidden"
    assert code == 4003


@pytest.mark.parametrize("value", ["Bearer nonsense", "Basic YTpi", "Bearer", "sk_live_bare"])
async def test_a_bad_authorization_header_is_refused_before_the_upgrade(
    server: Server, value: str
) -> None:
    status, headers, problem = await refusal(server.realtime_url, {"Authorization": value})
    assert status == 401
    assert headers["content-type"] == "application/problem+json"
    assert headers["www-authenticate"].startswith("Bearer")
    assert problem["code"] == "unauthenticated"
    assert "nonsense" not in str(problem)


@pytest.mark.requirement("B54", "B79")
@pytest.mark.parametrize("name", ["token", "access_token", "ticket"])
async def test_a_credential_in_the_query_string_is_refused_before_the_upgrade(
    server: Server, name: str
) -> None:
    url = f"{server.realtime_url}?{name}={server.tenant.live}"
    for headers in ({}, bearer(server.tenant.live)):
        status, _, problem = await refusal(url, headers)
        assert status == 422
        assert problem["code"] == "bad_parameter"
        assert server.tenant.live not in str(problem)


async def test_an_upgrade_elsewhere_is_refused(server: Server) -> None:
    nowhere = server.realtime_url.replace("/v1/realtime", "/v1/nowhere")
    status, _, problem = await refusal(nowhere, bearer(server.tenant.live))
    assert (status, problem["code"]) == (404, "not_found")
    plain = server.realtime_url.replace("/v1/realtime", "/v1/events/stream")
    status, _, problem = await refusal(plain, bearer(server.tenant.live))
    assert (status, problem["code"]) == (400, "bad_frame")


async def test_the_realtime_path_is_no_page(server: Server) -> None:
    async with server.client(server.tenant.live) as client:
        answer = await client.get("/v1/realtime")
    assert answer.status_code in {404, 426}
    assert answer.headers["content-type"] == "application/problem+json"


async def test_before_one_is_known_only_a_ping_has_a_place(server: Server) -> None:
    key = await server.ephemeral()
    async with dialing(server.realtime_url) as talk:
        await talk.say("ping", ref=1)
        assert await talk.hear("pong") == {"op": "pong", "ref": 1}
        problem = await talk.refused("subscribe", conversation="conv_123")
        assert problem["code"] == "bad_frame"
        assert "subscribe" in problem["detail"]
        assert (await talk.ask("auth", token=key))["op"] == "ready"


async def test_nobody_says_twice_who_it_is(server: Server) -> None:
    async with talking(server.realtime_url, server.tenant.live) as talk:
        problem = await talk.refused("auth", token=server.tenant.test)
        assert problem["code"] == "bad_frame"
        assert (await talk.post("conv_123", "still the first one"))["version"] == 2


async def test_a_message_that_is_too_large_closes_the_socket(server: Server) -> None:
    async with talking(server.realtime_url, server.tenant.live) as talk:
        try:
            await talk.say("ping", ref="x" * FRAME_BYTES_MAX)
        except LineClosedError as closed:
            assert closed.code == 1009  # noqa: PT017 - it may be closed while it is still sending
        else:
            _, code = await talk.closing()
            assert code == 1009


async def test_compression_is_never_agreed_on_so_nothing_small_becomes_huge(
    server: Server,
) -> None:
    parts = urlsplit(server.url)
    handshake = (
        f"GET /v1/realtime HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
    )
    stream = await trio.open_tcp_stream(parts.hostname or "", parts.port or 80)
    async with stream:
        await stream.send_all(handshake.encode())
        with trio.fail_after(PATIENCE_SECONDS):
            answer = await stream.receive_some(4096)
    assert answer.startswith(b"HTTP/1.1 101")
    assert b"sec-websocket-extensions" not in answer.lower()
