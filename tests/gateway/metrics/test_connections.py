"""Open TCP connections, counted by both servers over real sockets."""

from pathlib import Path

import pytest
import trio

from gateway import app
from gateway.compose import Node
from gateway.config import Settings
from gateway.metrics.connections import OpenConnections
from gateway.server.front_door import FrontDoor
from gateway.server.hypercorn_server import HypercornServer
from tests.gateway.metrics.waiting import until

SERVERS = pytest.mark.parametrize("server", ["hypercorn", "parley"])


def server_of(node: Node, name: str) -> HypercornServer | FrontDoor:
    quart = app.build(node.dispatcher, node.switchboard)
    if name == "hypercorn":
        return HypercornServer(quart, node.settings, node.metrics.connections)
    return FrontDoor(node, quart)


@SERVERS
async def test_connections_are_counted_from_accepting_to_closing(
    tmp_path: Path, server: str
) -> None:
    node = Node(Settings(data=tmp_path / "data", port=0))

    def count() -> int | None:
        return node.metrics.connections.count

    assert count() is None
    async with trio.open_nursery() as nursery:
        await nursery.start(node.engine.run)
        await nursery.start(node.switchboard.run)
        port = await nursery.start(server_of(node, server).serve, node.stopping)
        await until(lambda: count() == 0)
        first = await trio.open_tcp_stream("127.0.0.1", port)
        await until(lambda: count() == 1)
        async with first:
            async with await trio.open_tcp_stream("127.0.0.1", port):
                await until(lambda: count() == 2)
            await until(lambda: count() == 1)
        await until(lambda: count() == 0)
        nursery.cancel_scope.cancel()


async def test_who_waits_for_a_change_is_told_of_each_that_closes() -> None:
    connections, seen = OpenConnections(), list[int | None]()
    connections.begin()
    for _ in range(2):
        connections.opened()

    async def watch() -> None:
        while connections.count:
            await connections.changed()
            seen.append(connections.count)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        nursery.start_soon(watch)
        for _ in range(2):
            await trio.testing.wait_all_tasks_blocked()
            connections.closed()
    assert seen == [1, 1, 0, 0]


def test_connections_that_were_turned_away_are_counted_by_the_reason() -> None:
    connections = OpenConnections()
    for why in ("full", "address", "full"):
        connections.refused(why)
    assert connections.refusals == {"full": 2, "address": 1}
    assert connections.count is None
