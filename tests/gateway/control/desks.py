"""A control server on a folder, and raw connections to it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import trio

from engine.engine import Engine
from gateway.control import address
from gateway.control.context import Context, Serving
from gateway.control.server import ControlServer
from persistence.memory import MemoryStores
from persistence.protocols.store import Stores

MASTER_KEY = bytes(range(32))
PATIENCE_SECONDS = 10


@dataclass
class Desk:
    """A running engine and the control socket in front of it."""

    engine: Engine
    data: Path
    stopping: trio.Event = field(default_factory=trio.Event)

    async def connect(self) -> trio.SocketStream:
        with address.socket_path(self.data) as path:
            return await trio.open_unix_socket(path)

    async def lines(self, sent: bytes) -> list[dict[str, Any]]:
        """Send bytes; return every line that comes back until the server closes."""
        async with await self.connect() as stream:
            await stream.send_all(sent)
            return await lines_of(stream)


async def lines_of(stream: trio.SocketStream) -> list[dict[str, Any]]:
    received = b""
    with trio.fail_after(PATIENCE_SECONDS):
        while chunk := await stream.receive_some(65_536):
            received += chunk
    return [msgspec.json.decode(line) for line in received.splitlines()]


@asynccontextmanager
async def engine_running(stores: Stores | None = None) -> AsyncIterator[Engine]:
    engine = Engine(stores or MemoryStores(), master_key=MASTER_KEY)
    async with trio.open_nursery() as nursery:
        await nursery.start(engine.run)
        yield engine
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def listening(
    data: Path,
    *,
    uids: frozenset[int] | None = None,
    sandbox_key: str | None = None,
    stores: Stores | None = None,
) -> AsyncIterator[Desk]:
    """Serve commands in ``data``; in the end stop as a server does."""
    await trio.Path(data).mkdir(parents=True, exist_ok=True)
    async with engine_running(stores) as engine, trio.open_nursery() as nursery:
        desk = Desk(engine, data)
        serving = Serving("http://127.0.0.1:1", trio.current_time(), sandbox_key)
        server = ControlServer(Context(engine, data, serving), uids=uids)
        await nursery.start(server.serve, desk.stopping)
        yield desk
        desk.stopping.set()
