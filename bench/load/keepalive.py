"""An HTTP/1.1 client on one connection: one request at a time, answered before the next is sent.

A server may end a connection after an answer (``Connection: close``); the client then connects
again, and the time that takes counts for the request that waits.
"""

from collections import deque
from collections.abc import Callable

from bench.load.line import Line
from bench.load.poller import Poller

OnAnswer = Callable[[int, bytes], None]
OnClosed = Callable[[str], None]


class ResponseError(Exception):
    """A response that this client does not understand."""


def response(data: bytes) -> tuple[int, bool, bytes, bytes] | None:
    """Split off one response: status, whether the connection stays, body and what comes behind.

    Return ``None`` while it is not all there.
    """
    head, separator, rest = data.partition(b"\r\n\r\n")
    if not separator:
        return None
    first, *lines = head.split(b"\r\n")
    fields = {
        name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)
    }
    if b"content-length" not in fields:
        raise ResponseError("a response without its length")
    size = int(fields[b"content-length"])
    if len(rest) < size:
        return None
    stays = fields.get(b"connection", b"").lower() != b"close"
    return int(first.split(b" ", 2)[1]), stays, rest[:size], rest[size:]


class KeepAlive:
    """One connection and the requests that wait for it."""

    def __init__(
        self,
        poller: Poller,
        address: tuple[str, int],
        *,
        on_answer: OnAnswer,
        on_closed: OnClosed,
    ) -> None:
        """Connect. ``on_answer`` gets status and body of each answer, in order."""
        self._poller = poller
        self._address = address
        self._on_answer = on_answer
        self._on_closed = on_closed
        self._waiting: deque[bytes] = deque()
        self._received = b""
        self._busy = False
        self.connects = 0
        self._line = self._connected()

    def send(self, request: bytes) -> None:
        """Send ``request`` when those before it are answered."""
        self._waiting.append(request)
        if not self._busy:
            self._next()

    def close(self) -> None:
        self._line.close()

    def _connected(self) -> Line:
        line = Line(self._poller, self._address, self._take, self._left)
        line.listen()
        self.connects += 1
        return line

    def _next(self) -> None:
        if self._waiting:
            self._busy = True
            self._line.send(self._waiting.popleft())

    def _take(self, data: bytes) -> None:
        self._received += data
        found = response(self._received)
        if found is None:
            return
        status, stays, body, self._received = found
        if not stays:
            self._line.close()
            self._line = self._connected()
        self._busy = False
        self._on_answer(status, body)
        if not self._busy:
            self._next()

    def _left(self) -> None:
        if self._busy:
            self._on_closed("the server left without an answer")
        else:
            self._line = self._connected()
