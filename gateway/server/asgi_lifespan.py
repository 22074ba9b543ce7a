"""Starts and ends an ASGI application (shell).

ASGI 3, lifespan protocol 2.0: https://asgi.readthedocs.io/en/latest/specs/lifespan.html.
"""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio

from gateway.server.asgi import ASGIApp
from gateway.server.asgi_messages import Message

VERSIONS = {"version": "3.0", "spec_version": "2.0"}

LOG = logging.getLogger("parley.server")

START_SECONDS = 30.0
"""How long an application may take to start."""

END_SECONDS = 10.0
"""How long it may take to end before it is cancelled; Quart gives background tasks 5 seconds."""


class NotStartedError(Exception):
    """The application says that it cannot start, or says nothing in time."""


@asynccontextmanager
async def lifespan(app: ASGIApp) -> AsyncIterator[dict[str, Any]]:
    """Run ``app`` beside what stands within; yields its state, for the scopes of requests.

    An application that knows nothing of this is served as it is. One that fails while it runs
    raises that, and cancels what stands within. At the end it is told, however that came about, and
    cancelled ``END_SECONDS`` later.

    Raises:
        NotStartedError: it cannot start; in a group, as everything that a nursery raises.
    """
    life = _Life(app)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(life.run)
        try:
            await life.begin()
            try:
                yield life.state
            finally:
                with trio.move_on_after(END_SECONDS, shield=True) as patience:
                    await life.end()
                if patience.cancelled_caught:
                    LOG.warning("an application did not end in time, and was ended")
        finally:
            life.alive.cancel()


class _Life:
    """One run of an application, from its start to its end."""

    def __init__(self, app: ASGIApp) -> None:
        self.state: dict[str, Any] = {}
        # Shielded: an application is told of its end, also when what stands within is cancelled.
        self.alive = trio.CancelScope(shield=True)
        self._app = app
        self._asked = False
        self._answered = trio.Event()  # the start has succeeded, failed, or will never be answered
        self._ending = trio.Event()
        self._ended = trio.Event()
        self._started = False
        self._refused: str | None = None

    async def run(self) -> None:
        scope = {"type": "lifespan", "asgi": VERSIONS, "state": self.state}
        try:
            with self.alive:
                await self._app(scope, self._receive, self._send)
        except Exception as error:
            if self._started and not self._ending.is_set():
                raise
            self._say_why(error)
        finally:
            self._answered.set()
            self._ended.set()

    async def begin(self) -> None:
        with trio.move_on_after(START_SECONDS):
            await self._answered.wait()
        if not self._answered.is_set():
            raise NotStartedError(f"the application did not start in {START_SECONDS:g} seconds")
        if self._refused is not None:
            raise NotStartedError(f"the application cannot start: {self._refused}")

    async def end(self) -> None:
        self._ending.set()
        await self._ended.wait()

    def _say_why(self, error: Exception) -> None:
        if self._ending.is_set():
            LOG.error("an application failed at its end", exc_info=error)
        elif self._refused is None:
            LOG.info("an application has no lifespan", extra={"why": repr(error)})

    async def _receive(self) -> Message:
        if not self._asked:
            self._asked = True
            await trio.lowlevel.checkpoint()
            return {"type": "lifespan.startup"}
        await self._ending.wait()
        return {"type": "lifespan.shutdown"}

    async def _send(self, message: Message) -> None:
        await trio.lowlevel.checkpoint()
        match message["type"]:
            case "lifespan.startup.complete":
                self._started = True
                self._answered.set()
            case "lifespan.startup.failed":
                self._refused = message.get("message") or "it does not say why"
                self._answered.set()
            case "lifespan.shutdown.failed":
                LOG.error("an application failed at its end", extra={"why": message.get("message")})
            case "lifespan.shutdown.complete":
                return
            case other:
                raise RuntimeError(f"{other!r} does not belong here")
