"""Channels over real socket pairs with small buffers, and the peers at their ends."""

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import trio

from gateway.fanout.outflow import Outflow
from gateway.server.plain_channel import PlainChannel
from gateway.server.poller import Poller
from gateway.server.wire import Wire
from gateway.wheel import Wheel

SMALL_BUFFER_BYTES = 4096
READ_BYTES = 1 << 20


class Peer:
    """The other end of a connection, in the hands of the test."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.over = False

    def send(self, data: bytes) -> None:
        assert self.sock.send(data) == len(data)

    def read(self) -> bytes:
        """Return everything that is there; ``over`` says whether the end was."""
        found = bytearray()
        try:
            while data := self.sock.recv(READ_BYTES):
                found += data
            self.over = True
        except BlockingIOError:
            pass
        except ConnectionError:
            self.over = True
        return bytes(found)

    async def read_until(self, is_enough: Callable[[bytes], bool]) -> bytes:
        """Read on, while the server goes on, until it is enough."""
        found = b""
        with trio.fail_after(600):
            while True:
                found += self.read()
                if is_enough(found):
                    return found
                await trio.lowlevel.checkpoint()

    def say_no_more(self) -> None:
        self.sock.shutdown(socket.SHUT_WR)

    def leave(self) -> None:
        self.sock.close()


@dataclass
class Told:
    """Whoever owns a wire and talks over a channel: what it was told, in order."""

    log: list[str] = field(default_factory=list)
    moments: list[float] = field(default_factory=list)
    heard: bytes = b""
    wire: Wire | None = None
    raises: Exception | None = None

    def note(self, what: str) -> None:
        self.log.append(what)
        self.moments.append(trio.current_time())

    def received(self, data: bytes) -> None:
        self.heard += data
        if self.raises is not None:
            raise self.raises

    def ended(self) -> None:
        self.note("ended")

    def writable(self) -> None:
        assert self.wire is not None
        self.wire.writable()

    def broken(self) -> None:
        self.note("broken")
        if self.wire is not None:
            self.wire.shut()

    def sent_all(self) -> None:
        self.note("sent all")

    def is_lagging(self) -> None:
        self.note("lagging")

    def is_stuck(self) -> None:
        self.note("stuck")


@dataclass
class Pipe:
    """One connection: our channel and wire, and the peer."""

    channel: PlainChannel
    wire: Wire
    told: Told
    peer: Peer
    wheel: Wheel
    outflow: Outflow
    poller: Poller


def pair(buffer_bytes: int | None = None) -> tuple[socket.socket, socket.socket]:
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setblocking(False)  # noqa: FBT003 - its signature
        if buffer_bytes is not None:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer_bytes)
    return ours, theirs


@asynccontextmanager
async def piped(*, buffer_bytes: int = SMALL_BUFFER_BYTES) -> AsyncIterator[Pipe]:
    """Connect a wire to a peer, and run what calls it back."""
    outflow, wheel = Outflow(), Wheel()
    poller = Poller(outflow.flush)
    ours, theirs = pair(buffer_bytes)
    channel, told = PlainChannel(ours, poller), Told()
    wire = told.wire = Wire(channel, told, outflow, wheel)
    channel.talker = told
    async with trio.open_nursery() as nursery:
        for run in (poller.run, wheel.run, outflow.run):
            nursery.start_soon(run)
        channel.begin()
        peer = Peer(theirs)
        yield Pipe(channel, wire, told, peer, wheel, outflow, poller)
        channel.abort()
        nursery.cancel_scope.cancel()
    with suppress(OSError):
        theirs.close()
