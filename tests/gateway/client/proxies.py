"""A proxy between a client and a server, whose connections a test can cut."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import trio


@dataclass
class Proxy:
    """Hands bytes on, until it is told to cut every connection there is."""

    port: int = 0
    target: int = 0
    refusing: bool = False
    accepted: int = 0
    _scopes: set[trio.CancelScope] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """End every connection where it stands, in the middle of a frame if need be."""
        for scope in self._scopes:
            scope.cancel()

    async def serve(self, client: trio.SocketStream) -> None:
        with trio.CancelScope() as scope:
            self._scopes.add(scope)
            await trio.lowlevel.checkpoint()
            try:
                async with client:
                    if not self.refusing:
                        self.accepted += 1
                        await self._join(client)
            except (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
                return
            finally:
                self._scopes.discard(scope)

    async def _join(self, client: trio.SocketStream) -> None:
        server = await trio.open_tcp_stream("127.0.0.1", self.target)
        async with server, trio.open_nursery() as nursery:
            nursery.start_soon(_hand_on, client, server, nursery.cancel_scope)
            await _hand_on(server, client, nursery.cancel_scope)


async def _hand_on(
    source: trio.SocketStream, sink: trio.SocketStream, ends: trio.CancelScope
) -> None:
    try:
        async for chunk in source:
            await sink.send_all(chunk)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass
    ends.cancel()


@asynccontextmanager
async def proxying(target: int) -> AsyncIterator[Proxy]:
    """Run a proxy in front of the port ``target``."""
    async with trio.open_nursery() as nursery:
        proxy = Proxy(target=target)
        serve = partial(trio.serve_tcp, proxy.serve, 0, host="127.0.0.1")
        (listener,) = await nursery.start(serve)
        proxy.port = listener.socket.getsockname()[1]
        yield proxy
        nursery.cancel_scope.cancel()
