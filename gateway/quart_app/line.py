"""A WebSocket of Quart's as the line of a session (shell). Used inside its own request context."""

from typing import Any

import trio

from gateway.limits import CLOSING_SECONDS
from gateway.quart_app.outbound import ClientTooSlowError, Outbound
from gateway.realtime.protocol import Close
from gateway.realtime.session import Session


class QuartLine(Outbound):
    """Speaks over one accepted socket, with a task that reads and one that sends."""

    framed = False

    def __init__(self, socket: Any, *, binary: bool) -> None:
        """Speak over ``socket``, in ``binary`` messages or in text."""
        super().__init__()
        self._socket = socket
        self._binary = binary
        self._closing = (Close.NORMAL.code, "")
        self._may_read = trio.Event()
        self._may_read.set()
        self._session: Session | None = None

    async def run(self, session: Session) -> None:
        """Serve ``session`` until either side ends the connection.

        A peer that leaves cancels the whole connection: Quart has it so.
        """
        self._session = session
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._pour, nursery)
                session.begin()
                while True:
                    await self._may_read.wait()
                    message: bytes | str | None = await self._socket.receive()
                    session.hear(message or b"")  # an empty binary message comes as None
        finally:
            session.lost()
            self.shut()

    def close(self, code: int, reason: str) -> None:
        """Close with ``code`` when everything before it has been sent; only the first counts."""
        if not self._finished:
            self._closing = (code, reason)
            self.finish()

    def pause(self) -> None:
        """Read no more."""
        if self._may_read.is_set():
            self._may_read = trio.Event()

    def resume(self) -> None:
        """Read on."""
        self._may_read.set()

    def fail(self) -> None:
        """End because the log cannot be read for this client."""
        if self._session is not None:
            self._session.fail()

    async def _pour(self, nursery: trio.Nursery) -> None:
        try:
            await self.pour(self._send)
        except ClientTooSlowError:
            if self._session is not None:
                self._session.end_too_slow()
        code, reason = self._closing
        with trio.move_on_after(CLOSING_SECONDS):
            await self._close(code, reason)
        nursery.cancel_scope.cancel()

    async def _send(self, frames: list[bytes]) -> None:
        for frame in frames:
            await self._socket.send(frame if self._binary else frame.decode())

    async def _close(self, code: int, reason: str) -> None:
        try:
            await self._socket.close(code, reason)
        except RuntimeError:
            return  # closed before
