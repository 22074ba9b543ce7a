"""The first bytes from a proxy: read in pieces, counted anew, and then it steps aside."""

import logging
from pathlib import Path

import pytest
from trio.testing import wait_all_tasks_blocked

from gateway.server.connection import Connection
from gateway.server.preamble import Preambled
from tests.gateway.server.doors import Door, door
from tests.gateway.server.pipes import Peer
from tests.gateway.server.test_connection import INDEX, statuses

CLIENT = "203.0.113.9"
PREAMBLE = f"PROXY TCP4 {CLIENT} 198.51.100.1 1234 443\r\n".encode()


class Counted:
    """Notes for whom connections are; may have had enough."""

    def __init__(self, *, enough: bool = False) -> None:
        self.clients: list[str] = []
        self.enough = enough

    def __call__(self, connection: Connection, client: str) -> bool:
        self.clients.append(client)
        connection.peer = client
        return not self.enough


def preambled(d: Door, counted: Counted, *, trusted: bool = True) -> tuple[Connection, Peer]:
    connection, peer = d.connect()
    connection.channel.talker = Preambled(connection, counted, trusted=trusted)
    return connection, peer


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_what_follows_the_preamble_is_the_clients(tmp_path: Path, size: int) -> None:
    async with door(tmp_path) as d:
        counted = Counted()
        connection, peer = preambled(d, counted)
        data = PREAMBLE + d.head(INDEX)
        for at in range(0, len(data), size):
            peer.send(data[at : at + size])
            await wait_all_tasks_blocked()
        assert statuses(peer.read()) == [404]
        assert counted.clients == [CLIENT]
        assert connection.peer == CLIENT
        assert connection.channel.talker is connection


async def test_a_client_that_has_too_many_is_let_go(tmp_path: Path) -> None:
    async with door(tmp_path) as d:
        _, peer = preambled(d, Counted(enough=True))
        assert await d.asked(peer, PREAMBLE + d.head(INDEX)) == b""
        assert peer.over
        assert len(d.left) == 1


async def test_a_proxy_that_does_not_say_for_whom_is_let_go_and_that_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    async with door(tmp_path) as d:
        counted = Counted()
        _, peer = preambled(d, counted)
        assert await d.asked(peer, d.head(INDEX)) == b""
        assert peer.over
        assert counted.clients == []
        assert "did not say for whom" in caplog.text


async def test_who_is_no_proxy_is_heard_as_it_speaks(tmp_path: Path) -> None:
    async with door(tmp_path) as d:
        counted = Counted()
        _, peer = preambled(d, counted, trusted=False)
        assert statuses(await d.asked(peer, d.head(INDEX))) == [404]
        _, liar = preambled(d, counted, trusted=False)
        assert statuses(await d.asked(liar, PREAMBLE)) in ([400], [501])
        assert counted.clients == []


async def test_a_proxy_that_leaves_is_let_go(tmp_path: Path) -> None:
    async with door(tmp_path) as d:
        _, peer = preambled(d, Counted())
        peer.send(PREAMBLE[:9])
        peer.say_no_more()
        await wait_all_tasks_blocked()
        assert len(d.left) == 1
        assert d.timers() == 0
