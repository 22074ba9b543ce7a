"""One HTTP connection: requests one after the other, and how it ends."""

import gc
import re
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from gateway.server.connection import Connection
from gateway.server.wire import Wire
from tests.gateway.server.doors import Door, door, http_of
from tests.support.disks import MemoryDisk

INDEX = "GET /v1/conversations/conv_123"


def statuses(data: bytes) -> list[int]:
    return [int(found) for found in re.findall(rb"HTTP/1\.1 (\d\d\d) ", data)]


def says_close(data: bytes) -> bool:
    return b"\r\nconnection: close\r\n" in data


async def written(d: Door, count: int = 1, text: str = "Hello") -> None:
    _, peer = d.connect()
    for _ in range(count):
        assert statuses(await d.asked(peer, d.post(text))) == [201]
    peer.leave()
    await wait_all_tasks_blocked()
    d.left.clear()


async def test_requests_are_answered_one_after_the_other_over_one_connection(
    tmp_path: Path,
) -> None:
    async with door(tmp_path) as d:
        connection, peer = d.connect()
        for text in ("one", "two"):
            answer = await d.asked(peer, d.post(text))
            assert statuses(answer) == [201]
            assert not says_close(answer)
            assert f'"{text}"'.encode() in answer
        assert not connection.over
        assert d.left == []


async def test_pipelined_requests_are_answered_in_their_order(tmp_path: Path) -> None:
    async with door(tmp_path) as d:
        _, peer = d.connect()
        requests = [
            d.post("first"),
            d.head(INDEX, authorized=False),
            d.head("GET /docs-of-nobody"),
            d.post("second"),
        ]
        answer = await d.asked(peer, b"".join(requests))
        assert statuses(answer) == [201, 401, 404, 201]
        assert answer.index(b'"first"') < answer.index(b"no page") < answer.index(b'"second"')


async def test_very_many_pipelined_requests_are_all_answered(tmp_path: Path) -> None:
    async with door(tmp_path) as d:
        _, peer = d.connect(buffer_bytes=1 << 20)
        request = d.head("GET /v1/conversations/c", authorized=False)
        count = 60_000 // len(request)
        answer = await d.asked(peer, request * count)
        assert statuses(answer) == [401] * count


async def test_what_is_pipelined_behind_a_request_under_way_waits_in_the_socket(
    tmp_path: Path,
) -> None:
    may_answer = trio.Event()

    async def app(scope: object, receive: object, send: object) -> None:
        del scope, receive
        await may_answer.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})  # type: ignore[operator]
        await send({"type": "http.response.body", "body": b"page"})  # type: ignore[operator]

    async with door(tmp_path, app=app) as d:
        connection, peer = d.connect(buffer_bytes=1 << 20)
        http = http_of(connection)
        assert await d.asked(peer, d.head("GET /page")) == b""
        for _ in range(5):
            assert await d.asked(peer, d.post("x" * 1000) * 100) == b""
        assert len(http._reader._pending) <= 65_536  # type: ignore[union-attr]  # noqa: SLF001
        may_answer.set()
        found = await peer.read_until(lambda found: len(statuses(found)) == 501)
        assert statuses(found) == [200] + [201] * 500


async def test_what_is_pipelined_behind_a_command_under_way_waits_there_too(
    tmp_path: Path,
) -> None:
    disk = MemoryDisk()
    async with door(tmp_path, stores=disk.stores) as d:
        await written(d)
        connection, peer = d.connect(buffer_bytes=1 << 20)
        http = http_of(connection)
        disk.hold()
        peer.send(d.post())
        with trio.fail_after(10):
            await disk.wait_held()
        for _ in range(5):
            assert await d.asked(peer, d.post("x" * 1000) * 100) == b""
        assert len(http._reader._pending) <= 65_536  # type: ignore[union-attr]  # noqa: SLF001
        disk.release()
        found = await peer.read_until(lambda found: len(statuses(found)) == 501)
        assert statuses(found) == [201] * 501


@pytest.mark.parametrize(
    ("head", "stays"),
    [
        (INDEX, True),
        (INDEX + " HTTP/1.0", False),
    ],
)
async def test_the_version_says_whether_it_goes_on(
    tmp_path: Path, head: str, *, stays: bool
) -> None:
    async with door(tmp_path) as d:
        connection, peer = d.connect()
        answer = await d.asked(peer, d.head(head))
        assert statuses(answer) == [404]
        assert says_close(answer) != stays
        assert connection.over != peer.over or stays
        assert peer.over != stays


async def test_an_old_client_that_asks_to_go_on_is_told_that_it_does_not(tmp_path: Path) -> None:
    async with door(tmp_path) as d:
        _, peer = d.connect()
        answer = await d.asked(peer, d.head(INDEX + " HTTP/1.0", "Connection: keep-alive"))
        assert says_close(answer)
        assert peer.over


async def test_who_asks_to_close_is_answered_and_the_rest_is_dropped(tmp_path: Path) -> None:
    async with door(tmp_path) as d:
        _, peer = d.connect()
        answer = await d.asked(peer, d.head(INDEX, "Connection: close") + d.post())
        assert statuses(answer) == [404]
        assert says_close(answer)
        assert peer.over
        peer.leave()
        await wait_all_tasks_blocked()
        assert len(d.left) == 1


async def test_a_head_request_is_answered_by_the_same_head_and_no_body(tmp_path: Path) -> None:
    async with door(tmp_path) as d:
        await written(d)
        _, peer = d.connect()
        path = "/v1/conversations/conv_123/messages"
        whole = await d.asked(peer, d.head(f"GET {path}"))
        head = await d.asked(peer, d.head(f"HEAD {path}"))
        assert head.endswith(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", whole)
        assert length is not None
        assert length[0] in head
        assert int(length[1]) == len(whole.partition(b"\r\n\r\n")[2])
        assert statuses(await d.asked(peer, d.head(INDEX))) == [200]


async def test_who_waits_for_a_100_gets_one_and_then_the_answer(tmp_path: Path) -> None:
    async with door(tmp_path) as d:
        _, peer = d.connect()
        head, _, body = d.post("late", "Expect: 100-continue").partition(b"\r\n\r\n")
        assert await d.asked(peer, head + b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        answer = await d.asked(peer, body)
        assert statuses(answer) == [201]
        assert not says_close(answer)


async def test_who_waits_for_a_100_and_is_refused_gets_none(tmp_path: Path) -> None:
    async with door(tmp_path) as d:
        _, peer = d.connect()
        line = "POST /v1/conversations/conv_123/messages"
        length = ("Content-Length: 10", "Expect: 100-continue", "Content-Type: application/json")
        answer = await d.asked(peer, d.head(line, *length, authorized=False))
        assert statuses(answer) == [401]
        assert says_close(answer)


async def test_a_body_that_comes_in_pieces_is_one_body(tmp_path: Path) -> None:
    async with door(tmp_path) as d:
        _, peer = d.connect()
        request = d.post("in pieces")
        for at in range(0, len(request), 7):
            peer.send(request[at : at + 7])
            await wait_all_tasks_blocked()
        assert statuses(peer.read()) == [201]


async def test_a_body_that_is_too_large_is_refused_before_it_has_come(tmp_path: Path) -> None:
    async with door(tmp_path) as d:
        _, peer = d.connect()
        line = "POST /v1/conversations/conv_123/messages"
        typed = "Content-Type: application/json"
        answer = await d.asked(peer, d.head(line, typed, "Content-Length: 9000000"))
        assert statuses(answer) == [413]
        assert says_close(answer)
        _, peer = d.connect(buffer_bytes=1 << 20)
        peer.send(d.head(line, typed, "Transfer-Encoding: chunked"))
        answer = await d.asked(peer, (b"10000\r\n" + b"x" * 65_536 + b"\r\n") * 5)
        assert statuses(answer) == [413]
        assert says_close(answer)


async def test_a_body_in_bad_chunks_is_refused_at_once(tmp_path: Path) -> None:
    async with door(tmp_path) as d:
        line = "POST /v1/conversations/conv_123/messages"
        head = d.head(line, "Content-Type: application/json", "Transfer-Encoding: chunked")
        for parts in ([head + b"no size\r\n"], [head + b"1\r\nx\r\n", b"no size\r\n"]):
            _, peer = d.connect()
            answer = b"".join([await d.asked(peer, part) for part in parts])
            assert statuses(answer) == [400]
            assert says_close(answer)


async def test_what_is_no_request_is_answered_behind_those_before_it(tmp_path: Path) -> None:
    async with door(tmp_path) as d:
        _, peer = d.connect()
        answer = await d.asked(peer, d.post() + b"{}\r\n\r\n")
        assert statuses(answer) == [201, 400]
        assert says_close(answer)
        assert peer.over


async def test_a_closed_connection_holds_no_timer_and_is_freed(tmp_path: Path) -> None:
    async with door(tmp_path) as d:
        connection, peer = d.connect()
        await d.asked(peer, d.post() + d.post()[:-3])
        assert d.timers() > 0
        del connection
        peer.leave()
        await wait_all_tasks_blocked()
        assert len(d.left) == 1
        d.left.clear()
        assert d.timers() == 0
        gc.collect()
        assert [one for one in gc.get_objects() if isinstance(one, Connection | Wire)] == []


async def test_a_failure_of_the_house_is_logged_and_closes_that_connection_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with door(tmp_path) as d:
        _, peer = d.connect()
        _, other = d.connect()

        async def fail(*_: object) -> None:
            raise KeyError("a fault")

        with monkeypatch.context() as patched:
            patched.setattr(d.node.dispatcher, "dispatch_known", fail)
            assert await d.asked(peer, d.post()) == b""
        assert peer.over
        assert "a request was not answered" in caplog.text
        assert statuses(await d.asked(other, d.post())) == [201]
