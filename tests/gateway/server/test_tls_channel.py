"""A connection with TLS: heard and written by tasks, bounded, and ended by either side."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from gateway.limits import TLS_BUFFER_BYTES_MAX
from gateway.server.tls_channel import TlsChannel
from tests.gateway.server.test_tls import NAME, Pair, make

Stream = trio.SSLStream[trio.SocketStream]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return make(tmp_path_factory.mktemp("certificate"), "channel")


@dataclass
class Talker:
    """What is told of a channel."""

    heard: bytes = b""
    endings: int = 0
    rooms: int = 0
    breaks: int = 0

    def received(self, data: bytes) -> None:
        self.heard += data

    def ended(self) -> None:
        self.endings += 1

    def writable(self) -> None:
        self.rooms += 1

    def broken(self) -> None:
        self.breaks += 1


@dataclass
class Line:
    """One channel under way, and the client at its end."""

    channel: TlsChannel
    talker: Talker
    client: Stream
    over: trio.Event


@asynccontextmanager
async def connected(certificate: Pair) -> AsyncIterator[Line]:
    server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_side.load_cert_chain(certificate.cert, certificate.key)
    client_side = ssl.create_default_context(cafile=str(certificate.cert))
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    async with listener, trio.open_nursery() as nursery:
        plain = await trio.open_tcp_stream("127.0.0.1", port)
        ours = trio.SSLStream(
            await listener.accept(), server_side, server_side=True, https_compatible=True
        )
        client = trio.SSLStream(plain, client_side, server_hostname=NAME, https_compatible=True)
        async with trio.open_nursery() as shaking:
            shaking.start_soon(ours.do_handshake)
            shaking.start_soon(client.do_handshake)
        line = Line(TlsChannel(ours), Talker(), client, trio.Event())

        async def run() -> None:
            await line.channel.run(line.talker)
            line.over.set()

        nursery.start_soon(run)
        await wait_all_tasks_blocked()
        yield line
        line.channel.abort()
        with trio.fail_after(10):
            await line.over.wait()
        assert line.talker.breaks == 1
        await trio.aclose_forcefully(client)


async def until_heard(line: Line, size: int) -> None:
    with trio.fail_after(10):  # noqa: ASYNC912
        while len(line.talker.heard) < size:  # noqa: ASYNC110
            await trio.lowlevel.checkpoint()


async def read(client: Stream, size: int) -> bytes:
    found = b""
    with trio.fail_after(10):  # noqa: ASYNC912
        while len(found) < size and (data := await client.receive_some()):
            found += data
    return found


async def test_what_each_side_says_is_heard_by_the_other(certificate: Pair) -> None:
    async with connected(certificate) as line:
        await line.client.send_all(b"hello")
        await until_heard(line, 5)
        assert line.channel.send(b"an") == 2
        assert line.channel.send(b"swer") == 4
        assert await read(line.client, 6) == b"answer"


async def test_it_takes_so_much_and_says_when_there_is_room_again(certificate: Pair) -> None:
    async with connected(certificate) as line:
        assert line.channel.send(b"x" * (4 * TLS_BUFFER_BYTES_MAX)) == 4 * TLS_BUFFER_BYTES_MAX
        assert line.channel.send(b"y") == 0
        assert line.talker.rooms == 0
        assert len(await read(line.client, 4 * TLS_BUFFER_BYTES_MAX)) == 4 * TLS_BUFFER_BYTES_MAX
        await wait_all_tasks_blocked()
        assert line.talker.rooms == 1
        assert line.channel.send(b"y") == 1
        assert await read(line.client, 1) == b"y"


async def test_while_it_pauses_little_is_heard_and_everything_afterwards(certificate: Pair) -> None:
    async with connected(certificate) as line:
        line.channel.pause()
        await line.client.send_all(b"1")
        await wait_all_tasks_blocked()
        await line.client.send_all(b"2")
        await wait_all_tasks_blocked()
        assert line.talker.heard in {b"", b"1"}
        line.channel.resume()
        await until_heard(line, 2)
        assert line.talker.heard == b"12"


async def test_who_says_no_more_has_said_everything_before(certificate: Pair) -> None:
    async with connected(certificate) as line:
        size = 10 * TLS_BUFFER_BYTES_MAX
        assert line.channel.send(b"x" * size) == size
        line.channel.shut_down()
        assert len(await read(line.client, size + 1)) == size
        assert line.talker.breaks == 0


async def test_the_end_of_the_client_is_told_and_what_is_said_to_it_then_ends_it(
    certificate: Pair,
) -> None:
    async with connected(certificate) as line:
        await line.client.send_all(b"last words")
        await until_heard(line, 10)
        await line.client.transport_stream.send_eof()
        await wait_all_tasks_blocked()
        assert (line.talker.endings, line.talker.breaks) == (1, 0)
        assert line.channel.send(b"answer") == 6
        with trio.fail_after(10):
            await line.over.wait()


async def test_an_abort_ends_it_at_once_and_nothing_more_is_sent(certificate: Pair) -> None:
    async with connected(certificate) as line:
        line.channel.abort()
        with pytest.raises(BrokenPipeError):
            line.channel.send(b"x")
        with trio.fail_after(10):
            await line.over.wait()
        assert line.channel.talker is None
        assert await read(line.client, 1) == b""


async def test_a_client_that_vanishes_ends_it(certificate: Pair) -> None:
    async with connected(certificate) as line:
        line.channel.send(b"x" * (4 * TLS_BUFFER_BYTES_MAX))
        await trio.aclose_forcefully(line.client)
        with trio.fail_after(10):
            await line.over.wait()
