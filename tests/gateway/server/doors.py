"""A door without a port: connections over socket pairs, to a node that keeps all in memory."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trio
from trio.testing import wait_all_tasks_blocked

from gateway.compose import Node
from gateway.config import Settings
from gateway.server.addresses import Proxies
from gateway.server.connection import Connection
from gateway.server.http_tenant import HttpTenant
from gateway.server.plain_channel import PlainChannel
from gateway.server.poller import Poller
from gateway.server.reception import Reception
from persistence.protocols.store import Stores
from tests.gateway.server.pipes import Peer, pair

App = Callable[[Any, Any, Any], Awaitable[None]]
PEER = "192.0.2.1"


async def no_app(scope: Any, receive: Any, send: Any) -> None:
    del scope, receive
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b"no page"})


def http_of(connection: Connection) -> HttpTenant:
    """Return what reads the requests of a connection that has not become anything else."""
    tenant = connection._tenant  # noqa: SLF001
    assert isinstance(tenant, HttpTenant)
    return tenant


@dataclass
class Door:
    """Connections to one node."""

    node: Node
    reception: Reception
    poller: Poller
    key: str
    left: list[Connection]
    peers: list[Peer] = field(default_factory=list)
    aborts: list[Callable[[], None]] = field(default_factory=list)

    def connect(self, *, buffer_bytes: int | None = None) -> tuple[Connection, Peer]:
        """Return a new connection, and the peer at its end."""
        ours, theirs = pair(buffer_bytes)
        channel = PlainChannel(ours, self.poller)
        connection = self.reception.welcome(channel, PEER, secure=False)
        channel.talker = connection
        channel.begin()
        peer = Peer(theirs)
        self.peers.append(peer)
        self.aborts.append(channel.abort)
        return connection, peer

    def head(self, line: str, *headers: str, authorized: bool = True) -> bytes:
        """Return the head of a request."""
        lines = [f"{line} HTTP/1.1" if " HTTP/" not in line else line, "Host: parley", *headers]
        if authorized:
            lines.append(f"Authorization: Bearer {self.key}")
        return "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n"

    def post(self, text: str = "Hello", *headers: str) -> bytes:
        """Return a request that writes a message."""
        body = b'{"text":"%s"}' % text.encode()
        line = "POST /v1/conversations/conv_123/messages"
        typed = "Content-Type: application/json"
        return self.head(line, typed, f"Content-Length: {len(body)}", *headers) + body

    async def asked(self, peer: Peer, data: bytes) -> bytes:
        """Send ``data``, and return what is answered until nothing more happens."""
        peer.send(data)
        await wait_all_tasks_blocked()
        return peer.read()

    def timers(self) -> int:
        """Return how many timers are set and were not cancelled."""
        buckets = self.node.switchboard.wheel._buckets.values()  # noqa: SLF001
        return sum(timer.call is not None for bucket in buckets for timer in bucket)


@asynccontextmanager
async def door(
    folder: Path, *, app: App = no_app, per_key: int = 0, stores: Stores | None = None
) -> AsyncIterator[Door]:
    """Run a node in memory whose connections are made by the test."""
    settings = Settings(
        data=folder, store="memory", port=0, log_level="warning", max_connections_per_key=per_key
    )
    node, left = Node(settings, stores=stores), list[Connection]()
    reception = Reception(
        node.dispatcher, node.switchboard, app, proxies=Proxies(()), left=left.append
    )
    poller = Poller(node.switchboard.outflow.flush)
    async with trio.open_nursery() as nursery:
        await nursery.start(node.engine.run)
        await nursery.start(node.switchboard.run)
        nursery.start_soon(poller.run)
        reception.nursery = nursery
        workspace = await node.engine.create_workspace()
        key = await node.engine.create_key(workspace, "live", name="live")
        made = Door(node, reception, poller, key, left)
        try:
            yield made
        finally:
            for peer in made.peers:
                peer.leave()
            for abort in made.aborts:
                abort()
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
