"""A node from its start to its end, on both servers."""

from pathlib import Path
from typing import Literal

import pytest
import trio

from gateway import node
from gateway.compose import Node
from gateway.config import Settings
from gateway.limits import SHUTDOWN_SECONDS

SERVERS = pytest.mark.parametrize("server", ["front_door", "hypercorn"])
Server = Literal["front_door", "hypercorn"]


def made(folder: Path, server: Server, port: int = 0) -> Node:
    return Node(
        Settings(data=folder, store="memory", port=port, server=server, log_level="warning")
    )


async def nothing() -> None:
    """Stand for a preparation."""


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


@SERVERS
async def test_it_serves_between_its_start_and_its_stop(tmp_path: Path, server: Server) -> None:
    happened: list[str] = []
    one = made(tmp_path, server)

    async def prepare() -> None:
        await one.engine.create_workspace()
        happened.append("prepared")

    async def ready(url: str) -> None:
        assert url.startswith("http://127.0.0.1:")
        async with await trio.open_tcp_stream("127.0.0.1", port_of(url)) as stream:
            await stream.send_all(b"GET /v1/nowhere HTTP/1.1\r\nHost: parley\r\n\r\n")
            happened.append((await stream.receive_some())[:12].decode())
        one.stop()

    with trio.fail_after(SHUTDOWN_SECONDS * 4):
        await node.run(one, prepare=prepare, ready=ready)
    assert happened == ["prepared", "HTTP/1.1 404"]
    assert not one.metrics.connections.count


@SERVERS
async def test_a_port_that_is_taken_is_said_with_its_address(
    tmp_path: Path, server: Server
) -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        port = listener.socket.getsockname()[1]
        with pytest.RaisesGroup(
            pytest.RaisesExc(OSError, match=f"cannot listen on 127.0.0.1:{port}")
        ):
            await node.run(made(tmp_path, server, port), prepare=nothing, ready=ready_never)


async def ready_never(url: str) -> None:
    pytest.fail(f"it serves at {url}")


@SERVERS
async def test_an_engine_that_dies_ends_the_node(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = made(tmp_path, server)
    dies = trio.Event()

    async def run(*, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        await dies.wait()
        raise ValueError("the engine has died")

    async def ready(url: str) -> None:
        del url
        dies.set()

    monkeypatch.setattr(one.engine, "run", run)
    with (
        trio.fail_after(SHUTDOWN_SECONDS * 4),
        pytest.RaisesGroup(pytest.RaisesExc(ValueError, match="has died")),
    ):
        await node.run(one, prepare=nothing, ready=ready)
