"""Our own server on a port: who is let in, who is turned away, and that it stops in time."""

import errno
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from gateway import app
from gateway.compose import Node
from gateway.config import Settings
from gateway.limits import SHUTDOWN_SECONDS
from gateway.server.front_door import LONE_ACCEPT_PAUSE_SECONDS, FrontDoor
from tests.gateway.server.sockets import KEY
from tests.support.certificates import Certificate, certificate_in

GET = b"GET /v1/conversations/c HTTP/1.1\r\nHost: parley\r\n\r\n"
PROXY = b"PROXY TCP4 203.0.113.9 198.51.100.1 1234 443\r\n"


@dataclass
class Served:
    """A node behind its own server."""

    node: Node
    server: FrontDoor
    port: int

    async def connect(self) -> trio.SocketStream:
        return await trio.open_tcp_stream("127.0.0.1", self.port)

    async def secured(self, certificate: Certificate) -> trio.SSLStream[trio.SocketStream]:
        """Connect by a proxy, with TLS behind what it says.

        Raises:
            trio.BrokenResourceError: the server has let the connection go instead.
        """
        stream = await self.connect()
        await stream.send_all(PROXY)
        context = certificate.trusting("http/1.1")
        secure = trio.SSLStream(stream, context, server_hostname="127.0.0.1", https_compatible=True)
        try:
            with trio.fail_after(20):
                await secure.do_handshake()
        except trio.BrokenResourceError:
            await trio.aclose_forcefully(stream)
            raise
        return secure

    async def asked(self, data: bytes) -> bytes:
        """Return everything that comes until the server has ended the connection."""
        async with await self.connect() as stream:
            await stream.send_all(data)
            return await rest(stream)

    @property
    def open(self) -> int:
        return self.node.metrics.connections.count or 0


async def rest(stream: trio.SocketStream) -> bytes:
    found = b""
    with trio.fail_after(20):
        while data := await stream.receive_some():
            found += data
    return found


@asynccontextmanager
async def served(folder: Path, **settings: Any) -> AsyncIterator[Served]:
    node = Node(Settings(data=folder, store="memory", port=0, log_level="warning", **settings))
    server = FrontDoor(node, app.build(node.dispatcher, node.switchboard))
    async with trio.open_nursery() as nursery:
        await nursery.start(node.engine.run)
        await nursery.start(node.switchboard.run)
        async with trio.open_nursery() as serving:
            port = await serving.start(server.serve, node.stopping)
            yield Served(node, server, port)
            node.stop()
        nursery.cancel_scope.cancel()


async def refused(port: int) -> bool:
    try:
        stream = await trio.open_tcp_stream("127.0.0.1", port)
    except OSError:
        return True
    await stream.aclose()
    return False


async def test_it_answers_and_goes_on(tmp_path: Path) -> None:
    async with served(tmp_path) as s, await s.connect() as stream:
        for _ in range(2):
            await stream.send_all(GET)
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 401 ")


async def test_when_it_is_full_the_next_is_told_so_and_let_go(tmp_path: Path) -> None:
    async with served(tmp_path, max_connections=1) as s:
        async with await s.connect() as stream:
            await stream.send_all(GET)
            await stream.receive_some()
            answer = await s.asked(b"")
            assert answer.startswith(b"HTTP/1.1 503 ")
            assert s.node.metrics.connections.refusals == {"full": 1}
            assert s.open == 1
        await until_open(s, 0)
        async with await s.connect() as stream:
            await stream.send_all(GET)
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 401 ")


async def test_one_address_has_so_many_connections(tmp_path: Path) -> None:
    async with served(tmp_path, max_connections_per_address=1) as s, await s.connect() as stream:
        await stream.send_all(GET)
        await stream.receive_some()
        assert (await s.asked(b"")).startswith(b"HTTP/1.1 429 ")
        assert s.node.metrics.connections.refusals == {"address": 1}


async def test_a_proxy_says_for_whom_it_connects_and_they_are_counted(tmp_path: Path) -> None:
    options = {"proxy_protocol": True, "trusted_proxies": ("127.0.0.1",)}
    async with served(tmp_path, max_connections_per_address=1, **options) as s:
        async with await s.connect() as stream:
            await stream.send_all(PROXY + GET)
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 401 ")
            assert await s.asked(PROXY + GET) == b""
        await until_open(s, 0)
        async with await s.connect() as stream:
            await stream.send_all(PROXY + GET)
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 401 ")


async def test_over_tls_they_are_counted_as_the_proxy_says_too(tmp_path: Path) -> None:
    made = certificate_in(tmp_path)
    options = {"proxy_protocol": True, "trusted_proxies": ("127.0.0.1",)}
    tls = {"tls_cert": made.cert, "tls_key": made.key}
    async with served(tmp_path, max_connections_per_address=1, **options, **tls) as s:
        async with await s.secured(made) as stream:
            await stream.send_all(GET)
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 401 ")
            with pytest.raises(trio.BrokenResourceError):
                await s.secured(made)
        await until_open(s, 0)
        async with await s.secured(made) as stream:
            await stream.send_all(GET)
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 401 ")


async def until_open(s: Served, count: int) -> None:
    with trio.fail_after(10):  # noqa: ASYNC912
        while s.open != count:  # noqa: ASYNC110
            await trio.lowlevel.checkpoint()


async def test_stopping_lets_idle_connections_go_and_takes_no_more(tmp_path: Path) -> None:
    async with served(tmp_path) as s:
        async with await s.connect() as idle, await s.connect() as used:
            await used.send_all(GET)
            await used.receive_some()
            await until_open(s, 2)
            s.node.stop()
            assert [await rest(stream) for stream in (idle, used)] == [b"", b""]
        assert await refused(s.port)
        assert s.open == 0


async def test_stopping_waits_for_nobody_longer_than_it_says(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with served(tmp_path) as s, await s.connect() as amid:
        workspace = await s.node.engine.create_workspace()
        key = await s.node.engine.create_key(workspace, "live", name="live")
        lines = (
            "POST /v1/conversations/c/messages HTTP/1.1",
            *("Host: parley", f"Authorization: Bearer {key}"),
            *("Content-Type: application/json", "Content-Length: 9", "", "x"),
        )
        await amid.send_all("\r\n".join(lines).encode())
        await wait_all_tasks_blocked()
        began = autojump_clock.current_time()
        s.node.stop()
        await trio.sleep(SHUTDOWN_SECONDS * 0.9)
        assert s.open == 1
        assert await rest(amid) == b""
        assert s.open == 0
        assert autojump_clock.current_time() - began == pytest.approx(SHUTDOWN_SECONDS)


@pytest.mark.parametrize("upgrading", [False, True])
async def test_a_server_that_is_cancelled_leaves_nothing_open(
    tmp_path: Path, *, upgrading: bool
) -> None:
    node = Node(Settings(data=tmp_path, store="memory", port=0, log_level="warning"))
    server = FrontDoor(node, app.build(node.dispatcher, node.switchboard))
    async with trio.open_nursery() as nursery:
        await nursery.start(node.engine.run)
        await nursery.start(node.switchboard.run)
        port = await nursery.start(server.serve, node.stopping)
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        wanted = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {KEY}\r\n"
        lines = f"GET /v1/realtime HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Version: 13\r\n{wanted}\r\n"
        await stream.send_all(lines.encode() if upgrading else GET)
        answer = await stream.receive_some()
        assert answer.startswith(b"HTTP/1.1 101 " if upgrading else b"HTTP/1.1 401 ")
        nursery.cancel_scope.cancel()
    async with stream:
        await rest(stream)
    assert node.metrics.connections.count == 0
    assert await refused(port)


class Listener:
    """A listening socket with nothing to give but errors."""

    def __init__(self, *errors: int) -> None:
        self._errors = list(errors)
        self.calls = 0

    def accept(self) -> Any:
        self.calls += 1
        if not self._errors:
            raise BlockingIOError
        number = self._errors.pop(0)
        raise OSError(number, "as the test has it")

    def fileno(self) -> int:
        return -1


async def test_a_connection_that_ended_before_it_was_accepted_harms_no_other(
    tmp_path: Path,
) -> None:
    async with served(tmp_path) as s:
        listener: Any = Listener(errno.ECONNABORTED, errno.EPROTO)
        s.server._accept(listener)  # noqa: SLF001
        assert listener.calls == 3


async def test_without_an_open_file_left_nobody_is_accepted_for_a_while(
    tmp_path: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    async with served(tmp_path) as s:
        listener: Any = Listener(errno.EMFILE, errno.EMFILE)
        s.server._accept(listener)  # noqa: SLF001
        assert listener.calls == 1
        assert "connections cannot be accepted" in caplog.text
        await trio.sleep(LONE_ACCEPT_PAUSE_SECONDS * 5)
        async with await s.connect() as stream:
            await stream.send_all(GET)
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 401 ")
    assert autojump_clock.current_time() > 0
