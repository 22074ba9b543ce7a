"""Runs a node: the engine and its server in one nursery, so that a dead engine ends the process."""

import gc
import logging
import signal
from collections.abc import Awaitable, Callable

import trio

from gateway import app
from gateway.compose import Node
from gateway.config import Settings
from gateway.control.context import Context, Serving
from gateway.control.server import ControlServer
from gateway.server.front_door import FrontDoor
from gateway.server.hypercorn_server import HypercornServer

LOG = logging.getLogger("parley.node")

COLLECTOR_THRESHOLDS = (20_000, 20, 50)
"""Objects made, young and middle collections between two of each kind. A message makes some hundred
objects and no cycle, and looking for cycles every 700 of them took 11 % of the time of a process
with 5,000 sockets. One look takes about a millisecond now."""

WhenReady = Callable[[str], Awaitable[None]]
Server = HypercornServer | FrontDoor


async def run(
    node: Node,
    *,
    prepare: Callable[[], Awaitable[None]],
    ready: WhenReady,
    sandbox_key: Callable[[], str] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        node: not running yet.
        prepare: called when the engine runs and nothing is served yet.
        ready: called with the base URL when requests are served.
        sandbox_key: returns the key that the owner of a sandbox is given over the control socket;
            ``None`` in production.

    Raises:
        OSError: the address cannot be listened on.
        StoreError: the data folder cannot be served.
    """
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_stop_at_signal, node)
        await nursery.start(node.engine.run)
        await prepare()
        await nursery.start(node.switchboard.run)
        nursery.start_soon(_drain, node)
        quart = app.build(node.dispatcher, node.switchboard)
        server: Server = (
            HypercornServer(quart, node.settings, node.metrics.connections)
            if node.settings.server == "hypercorn"
            else FrontDoor(node, quart)
        )
        try:
            port = await nursery.start(_serve_then_end, server, node, nursery.cancel_scope)
        except OSError as error:
            where = f"{node.settings.host}:{node.settings.port}"
            raise OSError(f"cannot listen on {where}: {error}") from error
        url = _url(node.settings, port)
        key = sandbox_key() if sandbox_key is not None else None
        await _take_commands(node, nursery, Serving(url, trio.current_time(), key))
        # What was made until now stays: looking through it again and again cost pauses of 60 ms.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*COLLECTOR_THRESHOLDS)
        await ready(url)


async def _take_commands(node: Node, nursery: trio.Nursery, serving: Serving) -> None:
    """Listen on the control socket. Where none can be made, the server serves all the same."""
    if node.settings.store == "memory":
        return  # such a server holds no folder
    server = ControlServer(Context(node.engine, node.settings.data, serving))
    try:
        await nursery.start(server.serve, node.stopping)
    except OSError as error:
        LOG.warning("no control socket: commands cannot ask this server", extra={"why": str(error)})


async def _serve_then_end(  # noqa: ASYNC128 - the server calls it
    server: Server,
    node: Node,
    scope: trio.CancelScope,
    *,
    task_status: trio.TaskStatus[int],
) -> None:
    """Serve until told to stop; then nothing is left to run an engine for."""
    await server.serve(node.stopping, task_status=task_status)
    scope.cancel()


async def _drain(node: Node) -> None:
    await node.stopping.wait()
    await node.switchboard.drain()


async def _stop_at_signal(node: Node) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for number in signals:
            LOG.info("stopping", extra={"signal": signal.Signals(number).name})
            node.stop()


def _url(settings: Settings, port: int) -> str:
    """Return the base URL people use: the address as it was asked for, the port as it was got."""
    scheme = "https" if settings.tls else "http"
    host = settings.host if settings.host not in {"0.0.0.0", "::"} else "127.0.0.1"  # noqa: S104
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
