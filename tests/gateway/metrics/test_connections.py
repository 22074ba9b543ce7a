"""Open TCP connections, counted by our own server over real sockets."""

from pathlib import Path

import trio

from gateway import app
from gateway.compose import Node
from gateway.config import Settings
from gateway.server.hypercorn_server import HypercornServer
from tests.gateway.metrics.waiting import until


async def test_connections_are_counted_from_accepting_to_closing(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data", port=0)
    node = Node(settings)

    def count() -> int | None:
        return node.metrics.connections.count

    assert count() is None
    async with trio.open_nursery() as nursery:
        await nursery.start(node.engine.run)
        quart = app.build(node.dispatcher, node.hubs, stopping=node.stopping)
        server = HypercornServer(quart, settings, node.metrics.connections)
        port = await nursery.start(server.serve, node.stopping)
        await until(lambda: count() == 0)
        first = await trio.open_tcp_stream("127.0.0.1", port)
        await until(lambda: count() == 1)
        async with first:
            async with await trio.open_tcp_stream("127.0.0.1", port):
                await until(lambda: count() == 2)
            await until(lambda: count() == 1)
        await until(lambda: count() == 0)
        nursery.cancel_scope.cancel()
