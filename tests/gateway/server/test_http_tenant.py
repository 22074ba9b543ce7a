"""HTTP as the tenant of a connection: what it bounds, to whom it lends, and how it lets go."""

from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from engine.errand import Reply
from gateway.callers import Caller
from gateway.limits import (
    CLOSING_SECONDS,
    HEAD_SECONDS,
    KEEP_ALIVE_SECONDS,
    OUTBOUND_WRITE_SECONDS,
    REQUEST_BODY_BYTES_MAX,
)
from gateway.server.plain_channel import READ_BYTES
from gateway.server.poller import READ
from gateway.wheel import TICK_SECONDS
from tests.gateway.server.doors import Door, door, http_of
from tests.gateway.server.pipes import SMALL_BUFFER_BYTES
from tests.gateway.server.sockets import Socket, frame, upgrade
from tests.gateway.server.test_connection import INDEX, says_close, statuses, written
from tests.gateway.server.test_connection_endings import large_answer
from tests.gateway.server.test_stream_line import NDJSON

POST = "POST /v1/conversations/conv_123/messages"
TYPED = "Content-Type: application/json"


def hold_callers(d: Door, monkeypatch: pytest.MonkeyPatch) -> Reply[bool]:
    """Let whoever asks wait to be known, until something is given."""
    found, known = d.node.dispatcher.callers.of, Reply[bool]()

    async def later(credential: str) -> Caller:
        await known.given()
        return await found(credential)

    monkeypatch.setattr(d.node.dispatcher.callers, "of", later)
    return known


async def test_a_body_that_nobody_has_asked_for_yet_is_bounded_and_then_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with door(tmp_path) as d:
        known = hold_callers(d, monkeypatch)
        connection, peer = d.connect(buffer_bytes=1 << 20)
        http = http_of(connection)
        peer.send(d.head(POST, TYPED, "Transfer-Encoding: chunked"))
        for _ in range(40):
            peer.send(b"8000\r\n" + b"x" * 0x8000 + b"\r\n")
            await wait_all_tasks_blocked()
        incoming = http._incoming  # noqa: SLF001
        assert incoming is not None
        assert REQUEST_BODY_BYTES_MAX < len(incoming.body) <= REQUEST_BODY_BYTES_MAX + READ_BYTES
        known.give(answer=True)
        await wait_all_tasks_blocked()
        answer = peer.read()
        assert statuses(answer) == [413]
        assert says_close(answer)
        assert peer.over


async def test_a_body_that_is_asked_for_late_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with door(tmp_path) as d:
        known = hold_callers(d, monkeypatch)
        _, peer = d.connect()
        request = d.post("in time")
        assert await d.asked(peer, request[:-4]) == b""
        assert await d.asked(peer, request[-4:]) == b""
        known.give(answer=True)
        await wait_all_tasks_blocked()
        assert statuses(peer.read()) == [201]


async def test_a_head_request_is_answered_without_a_body_also_when_it_is_refused(
    tmp_path: Path,
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        del scope, receive, send
        raise KeyError("a fault")

    async with door(tmp_path, app=app) as d:
        for request, status in (
            (upgrade(d).replace(b"GET", b"HEAD", 1), 405),
            (d.head("HEAD /page"), 500),
            (d.head("HEAD /v1/conversations/conv_absent"), 404),
        ):
            _, peer = d.connect()
            answer = await d.asked(peer, request)
            assert statuses(answer) == [status]
            assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("first", ["stop", "answer"])
async def test_a_stopping_server_lets_the_application_answer_and_ends_behind_it(
    tmp_path: Path, first: str
) -> None:
    may_answer = trio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        del scope, receive
        if first == "stop":
            await may_answer.wait()
        headers = [(b"content-length", b"4")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"pa", "more_body": True})
        await may_answer.wait()
        await send({"type": "http.response.body", "body": b"ge"})

    async with door(tmp_path, app=app) as d:
        connection, peer = d.connect()
        answer = await d.asked(peer, d.head("GET /page"))
        connection.stop()
        may_answer.set()
        answer += await d.asked(peer, d.head(INDEX))
        assert statuses(answer) == [200]
        assert answer.endswith(b"page")
        assert says_close(answer) == (first == "stop")
        assert peer.over


async def test_an_answer_of_the_application_may_take_longer_than_a_connection_may_idle(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        del scope, receive
        await trio.sleep(KEEP_ALIVE_SECONDS * 2)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"page"})

    async with door(tmp_path, app=app) as d:
        _, peer = d.connect()
        assert statuses(await d.asked(peer, d.head(INDEX))) == [404]
        peer.send(d.head("GET /page"))
        await trio.sleep(KEEP_ALIVE_SECONDS * 2 + 1)
        assert statuses(peer.read()) == [200]
        assert statuses(await d.asked(peer, d.head(INDEX))) == [404]
    assert autojump_clock.current_time() > KEEP_ALIVE_SECONDS * 2


async def test_a_client_that_leaves_amid_an_answer_of_the_application_leaves_no_timer(
    tmp_path: Path,
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        del scope, send
        while (await receive())["type"] != "http.disconnect":
            pass

    async with door(tmp_path, app=app) as d:
        _, peer = d.connect()
        await d.asked(peer, d.head(INDEX) + d.head("GET /page"))
        peer.leave()
        await wait_all_tasks_blocked()
        assert len(d.left) == 1
        assert d.timers() == 0


async def test_a_stream_has_no_deadline_of_a_request(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with door(tmp_path) as d:
        connection, peer = d.connect()
        await d.asked(peer, d.post())
        peer.send(d.head("GET /v1/conversations/conv_123/events?after=0", NDJSON))
        await trio.sleep(KEEP_ALIVE_SECONDS * 3)
        assert not connection.over
        assert not peer.over
    assert autojump_clock.current_time() >= KEEP_ALIVE_SECONDS * 3


async def test_a_stream_begins_before_the_body_of_its_request_is_there_and_stays(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with door(tmp_path) as d:
        connection, peer = d.connect()
        await d.asked(peer, d.post())
        line = "GET /v1/conversations/conv_123/events?after=0"
        assert statuses(await d.asked(peer, d.head(line, NDJSON, "Content-Length: 5"))) == [200]
        await trio.sleep(HEAD_SECONDS * 2)
        assert not connection.over
    assert autojump_clock.current_time() >= HEAD_SECONDS * 2


async def test_a_request_may_be_under_way_for_longer_than_its_head_may_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    async with door(tmp_path) as d:
        known = hold_callers(d, monkeypatch)
        _, peer = d.connect()
        peer.send(d.post())
        await trio.sleep(HEAD_SECONDS * 2)
        known.give(answer=True)
        await wait_all_tasks_blocked()
        assert statuses(peer.read()) == [201]
    assert autojump_clock.current_time() >= HEAD_SECONDS * 2


async def test_who_says_no_more_while_a_command_is_under_way_is_answered_and_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with door(tmp_path) as d:
        known = hold_callers(d, monkeypatch)
        _, peer = d.connect()
        peer.send(d.post())
        await wait_all_tasks_blocked()
        peer.say_no_more()
        await wait_all_tasks_blocked()
        known.give(answer=True)
        await wait_all_tasks_blocked()
        answer = peer.read()
        assert statuses(answer) == [201]
        assert says_close(answer)
        assert peer.over


async def test_a_stopping_server_still_hears_out_whom_it_has_refused(tmp_path: Path) -> None:
    async with door(tmp_path) as d:
        connection, peer = d.connect()
        head = d.head(POST, "Content-Length: 900000", authorized=False)
        assert statuses(await d.asked(peer, head)) == [401]
        connection.stop()
        assert await d.asked(peer, b"x" * 10_000) == b""
        assert not connection.over
        peer.say_no_more()
        await wait_all_tasks_blocked()
        assert d.left == [connection]


async def test_who_was_not_read_is_read_again_when_the_connection_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with door(tmp_path) as d:
        known = hold_callers(d, monkeypatch)
        connection, peer = d.connect()
        await d.asked(peer, d.post("last", "Connection: close"))
        await d.asked(peer, d.post("dropped"))
        known.give(answer=True)
        await wait_all_tasks_blocked()
        assert statuses(peer.read()) == [201]
        assert connection.channel._mask & READ  # type: ignore[attr-defined]  # noqa: SLF001
        peer.say_no_more()
        await wait_all_tasks_blocked()
        assert d.left == [connection]


async def test_who_reads_slowly_gets_everything_however_long_it_takes(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with door(tmp_path) as d:
        _, peer = await large_answer(d)
        found = b""
        while autojump_clock.current_time() < KEEP_ALIVE_SECONDS * 1.5:
            await trio.sleep(OUTBOUND_WRITE_SECONDS / 2)
            found += peer.read()
        peer.say_no_more()
        found += await peer.read_until(lambda _: peer.over)
        head, _, body = found.partition(b"\r\n\r\n")
        assert f"content-length: {len(body)}\r\n".encode() in head + b"\r\n"


async def test_a_connection_that_has_ended_sets_no_timer_and_keeps_none(tmp_path: Path) -> None:
    async with door(tmp_path) as d:
        connection, _ = await large_answer(d)
        assert d.timers() > 0
        connection.channel.abort()
        assert d.left == [connection]
        connection.close_within(1)
        connection.end()
        assert d.timers() == 0


async def test_an_application_that_answers_before_the_body_has_come_ends_the_connection(
    tmp_path: Path,
) -> None:
    may_end = trio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        del scope, receive
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"pa", "more_body": True})
        await may_end.wait()
        await send({"type": "http.response.body", "body": b"ge"})

    async with door(tmp_path, app=app) as d:
        _, peer = d.connect()
        assert says_close(await d.asked(peer, d.head("POST /page", "Content-Length: 4")))
        await d.asked(peer, b"body")
        may_end.set()
        await wait_all_tasks_blocked()
        assert statuses(peer.read() + await d.asked(peer, d.head(INDEX))) == []
        assert peer.over


async def test_a_stream_that_nobody_reads_is_let_go_soon_when_the_server_stops(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with door(tmp_path) as d:
        await written(d, 60, "x" * 10_000)
        connection, peer = d.connect(buffer_bytes=SMALL_BUFFER_BYTES)
        peer.send(d.head("GET /v1/conversations/conv_123/events?after=0", NDJSON))
        await wait_all_tasks_blocked()
        assert connection.wire.blocked
        await d.node.switchboard.drain()
        began = trio.current_time()
        await trio.sleep(CLOSING_SECONDS + 2 * TICK_SECONDS)
        assert d.left == [connection]
    assert autojump_clock.current_time() - began < OUTBOUND_WRITE_SECONDS


async def test_frames_that_come_while_a_credential_is_looked_at_are_heard_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with door(tmp_path) as d:
        known = hold_callers(d, monkeypatch)
        connection, peer = d.connect()
        assert await d.asked(peer, upgrade(d)) == b""
        assert await d.asked(peer, frame("ping", ref="early")) == b""
        known.give(answer=True)
        await wait_all_tasks_blocked()
        head, _, rest = peer.read().partition(b"\r\n\r\n")
        assert statuses(head) == [101]
        socket = Socket(connection, peer, head, _rest=rest)
        socket.listen()
        assert socket.told[-1] == {"op": "pong", "ref": "early"}
