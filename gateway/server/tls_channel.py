"""One connection with TLS: the same object as a plain one, fed by two tasks (shell).

TLS keeps state between reads and writes that trio's stream already handles well; such a connection
costs its tasks (about 25 KiB with TLS' own state).
"""

from typing import Any

import trio

from gateway.limits import TLS_BUFFER_BYTES_MAX
from gateway.server.channel import Talker

READ_BYTES = 64 * 1024

SecureStream = trio.SSLStream[Any]


class TlsChannel:
    """Sends and hears over one encrypted stream."""

    def __init__(self, stream: SecureStream) -> None:
        """Own ``stream``, whose handshake is done."""
        self._stream = stream
        self._waiting: list[bytes] = []
        self._bytes = 0
        self._short = False
        self._ending = False
        self._wake = trio.Event()
        self._may_read = trio.Event()
        self._may_read.set()
        self._scope = trio.CancelScope()
        self.talker: Talker | None = None

    async def run(self, talker: Talker) -> None:
        """Hear and send until either side ends the connection, or the caller is cancelled."""
        self.talker = talker
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._pour, talker)
                    await self._hear(talker)
                    await trio.sleep_forever()
        finally:
            self.talker = None
            await trio.aclose_forcefully(self._stream)
            talker.broken()

    def send(self, data: bytes | memoryview) -> int:
        """Take what there is room for."""
        if self._scope.cancel_called:
            raise BrokenPipeError
        if self._bytes and self._bytes + len(data) > TLS_BUFFER_BYTES_MAX:
            self._short = True
            return 0
        self._waiting.append(bytes(data))
        self._bytes += len(data)
        self._wake.set()
        return len(data)

    def pause(self) -> None:
        """Read no more."""
        if self._may_read.is_set():
            self._may_read = trio.Event()

    def resume(self) -> None:
        """Read on."""
        self._may_read.set()

    def shut_down(self) -> None:
        """Say that nothing more will be sent, when everything was."""
        self._ending = True
        self._wake.set()

    def abort(self) -> None:
        """End at once."""
        self._scope.cancel()

    async def _hear(self, talker: Talker) -> None:
        while True:
            await self._may_read.wait()
            try:
                data = await self._stream.receive_some(READ_BYTES)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                self.abort()
                return
            if not data:
                talker.ended()
                return
            talker.received(bytes(data))

    async def _pour(self, talker: Talker) -> None:
        try:
            while True:
                while self._waiting:
                    data = b"".join(self._waiting)
                    self._waiting.clear()
                    await self._stream.send_all(data)
                    self._bytes -= len(data)
                    if self._short:
                        self._short = False
                        talker.writable()
                if self._ending:
                    await self._stream.transport_stream.send_eof()
                    return
                self._wake = trio.Event()
                await self._wake.wait()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self.abort()
