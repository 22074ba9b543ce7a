"""Runs a node: the engine and Hypercorn in one nursery, so that a dead engine ends the process."""

import logging
import signal
from collections.abc import Awaitable, Callable, Iterator
from functools import partial

import hypercorn.trio
import trio
from hypercorn.config import Config

from gateway import app
from gateway.compose import Node
from gateway.config import Settings
from gateway.limits import FRAME_BYTES_MAX, SHUTDOWN_SECONDS

LOG = logging.getLogger("parley.node")

WhenReady = Callable[[str], Awaitable[None]]


async def run(node: Node, *, prepare: Callable[[], Awaitable[None]], ready: WhenReady) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        node: not running yet.
        prepare: called when the engine runs and nothing is served yet.
        ready: called with the base URL when requests are served.

    Raises:
        OSError: the address cannot be listened on.
        StoreError: the data folder cannot be served.
    """
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_stop_at_signal, node)
        await nursery.start(node.engine.run)
        await prepare()
        serve = partial(
            hypercorn.trio.serve,
            app.build(node.dispatcher, node.hubs, stopping=node.stopping),
            hypercorn_config(node.settings),
            shutdown_trigger=node.stopping.wait,
        )
        try:
            binds = await nursery.start(_serve_then_stop, serve, nursery.cancel_scope)
        except* OSError as group:
            where = f"{node.settings.host}:{node.settings.port}"
            reason = "; ".join(str(error) for error in _leaves(group))
            raise OSError(f"cannot listen on {where}: {reason}") from group
        await ready(_url(node.settings, binds[0]))


def hypercorn_config(settings: Settings) -> Config:
    """Return what Hypercorn is told; everything it can bound is bounded."""
    config = Config()
    config.bind = [f"{settings.host}:{settings.port}"]
    config.certfile = str(settings.tls_cert) if settings.tls_cert else None
    config.keyfile = str(settings.tls_key) if settings.tls_key else None
    config.graceful_timeout = SHUTDOWN_SECONDS
    config.shutdown_timeout = SHUTDOWN_SECONDS
    config.websocket_max_message_size = FRAME_BYTES_MAX
    # No pings of Hypercorn's: that task outlives its socket, and a stop waits for it. Sessions
    # have a heartbeat of their own.
    config.websocket_ping_interval = None
    config.include_server_header = False
    config.errorlog = logging.getLogger("hypercorn.error")
    config.loglevel = "WARNING"
    return config


async def _serve_then_stop(  # noqa: ASYNC128 - Hypercorn calls it
    serve: Callable[..., Awaitable[None]],
    scope: trio.CancelScope,
    *,
    task_status: trio.TaskStatus[list[str]],
) -> None:
    """Serve until told to stop; then nothing is left to run an engine for."""
    await serve(task_status=task_status)
    scope.cancel()


async def _stop_at_signal(node: Node) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for number in signals:
            LOG.info("stopping", extra={"signal": signal.Signals(number).name})
            node.stop()


def _leaves(group: BaseExceptionGroup[OSError]) -> Iterator[OSError]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


def _url(settings: Settings, bind: str) -> str:
    """Return the base URL people use: the address as it was asked for, the port as it was got."""
    port = bind.rsplit(":", 1)[1]
    scheme = "https" if settings.tls else "http"
    host = settings.host if settings.host not in {"0.0.0.0", "::"} else "127.0.0.1"  # noqa: S104
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
