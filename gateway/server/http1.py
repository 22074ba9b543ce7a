"""Requests out of the bytes of one connection (HTTP/1.1, RFC 9112). Pure.

Where requests begin and end does not depend on how their bytes are cut: a head is looked at once it
is whole, and what cannot become one is refused at the byte that makes it so.
"""

from collections.abc import Callable

from gateway.limits import HEAD_BYTES_MAX
from gateway.server.chunked_body import ChunkedBody
from gateway.server.request_head import Incoming, RefusedRequestError, check_unfinished, read_head

__all__ = ["Incoming", "RefusedRequestError", "RequestReader"]

_CR = 0x0D
_LINE_END = b"\r\n"
_EMPTY_LINE = b"\r\n\r\n"


class RequestReader:
    """Reads the requests of one connection, one after the other.

    After a refusal, an upgrade, or a request that closes the connection it takes no more.
    """

    __slots__ = (
        "_at",
        "_chunks",
        "_current",
        "_held",
        "_left",
        "_line_skipped",
        "_on_refused",
        "_on_request",
        "_over",
        "_pending",
        "_rest",
        "_seen",
    )

    def __init__(
        self,
        *,
        on_request: Callable[[Incoming], None],
        on_refused: Callable[[RefusedRequestError], None],
    ) -> None:
        """Tell what is read.

        Args:
            on_request: called with every request, in order, when its head is complete and what has
                come of its body is in it; later parts of the body are added to the same object.
            on_refused: called at most once, last, with what cannot be read as a request. It may be
                the body of a request that was told before.
        """
        self._on_request = on_request
        self._on_refused = on_refused
        self._pending = b""  # the beginning of a head, or what came while held
        self._at = 0  # where that begins: many short requests are not copied again for each
        self._seen = 0  # bytes of the beginning of a head that were looked at
        self._line_skipped = False
        self._current: Incoming | None = None  # its body is not complete
        self._left = 0  # bytes of its body that are still to come
        self._chunks: ChunkedBody | None = None
        self._held = False
        self._over = False
        self._rest = b""

    @property
    def rest(self) -> bytes:
        """What followed an upgrade request in the same read: it belongs to the next protocol."""
        return self._rest

    @property
    def amid(self) -> bool:
        """Whether a request has begun and is not complete, its head or its body."""
        return self._current is not None or (bool(self._pending) and not self._held)

    @property
    def amid_body(self) -> bool:
        """Whether the head of a request has come, and not all of its body."""
        return self._current is not None

    @property
    def idle(self) -> bool:
        """Whether the next byte would begin a request."""
        return not self.amid and not self._over

    def hold(self) -> None:
        """Report no further request until ``resume``: what comes is kept as it is.

        May be called by ``on_request``, so that what one read brings is not all taken apart at
        once. Who holds reads no more from the connection, so that only one read is kept.
        """
        self._held = True

    def resume(self) -> None:
        """Go on with what was kept; may report requests at once."""
        self._held = False
        self.feed(b"")

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the connection. Bad input raises nothing: ``on_refused`` is told.

        Raises:
            Exception: what one of the callbacks raised; nothing more is to be expected then.
        """
        at, self._at = self._at, 0
        if self._pending:
            data, self._pending = self._pending + data, b""
        try:
            while at < len(data) and not self._over:
                if self._current is not None:
                    at = self._read_body(self._current, data, at)
                elif self._held:
                    self._pending, self._at = data, at
                    return
                else:
                    at = self._read_head(data, at)
        except RefusedRequestError as refusal:
            self._over = True
            self._on_refused(refusal)

    def _read_head(self, data: bytes, at: int) -> int:
        """Read one head, and of its body what is there. Return where to go on."""
        if data[at] == _CR and not self._line_skipped and data.startswith(_LINE_END, at):
            self._line_skipped = True  # old clients end a body with one (RFC 9112, section 2.2)
            return at + len(_LINE_END)
        end = data.find(_EMPTY_LINE, at, at + HEAD_BYTES_MAX) + len(_EMPTY_LINE)
        if end < len(_EMPTY_LINE):
            self._wait_for_the_rest(data[at:])
            return len(data)
        self._line_skipped = False
        self._seen = 0
        incoming = read_head(data[at:end])
        if not incoming.complete:
            return self._read_first(incoming, data, end)
        self._over = incoming.upgrade or not incoming.keep_alive
        if incoming.upgrade:
            self._rest = data[end:]
        self._on_request(incoming)
        return end

    def _read_first(self, incoming: Incoming, data: bytes, at: int) -> int:
        """Begin a body with what is there of it; tell of the request also when that is refused."""
        self._current = incoming
        if incoming.chunked:
            self._chunks = ChunkedBody(incoming.body)
        else:
            self._left = incoming.content_length or 0
        try:
            return self._read_body(incoming, data, at)
        finally:
            self._on_request(incoming)

    def _read_body(self, incoming: Incoming, data: bytes, at: int) -> int:
        """Take what belongs to the body. Return where to go on."""
        if self._chunks is not None:
            at = self._chunks.feed(data, at)
            if self._chunks.complete:
                self._finish(incoming)
            return at
        end = min(at + self._left, len(data))
        incoming.body += data[at:end]
        self._left -= end - at
        if not self._left:
            self._finish(incoming)
        return end

    def _finish(self, incoming: Incoming) -> None:
        incoming.complete = True
        self._current = self._chunks = None
        self._over = not incoming.keep_alive

    def _wait_for_the_rest(self, head: bytes) -> None:
        check_unfinished(head, self._seen)
        self._pending = head
        self._seen = len(head)
