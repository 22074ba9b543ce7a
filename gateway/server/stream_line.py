"""An open SSE or NDJSON answer over a connection of our own (shell). The connection's tenant."""

from gateway.api.contract import Streaming
from gateway.framing.chunked import LAST_CHUNK
from gateway.limits import CLOSING_SECONDS
from gateway.server import responses
from gateway.server.connection import Connection


class StreamLine:
    """The way of one stream to its client."""

    __slots__ = (
        "_connection",
        "_finished",
        "_stream",
        "_wire",
        "answer",
        "chunked",
        "has_room",
        "take",
    )

    def __init__(self, connection: Connection, streaming: Streaming, *, chunked: bool) -> None:
        """Answer over ``connection``; in chunks, or up to its end for clients of HTTP/1.0."""
        self._connection = connection
        self._wire = wire = connection.wire
        self._stream = streaming.stream
        self._finished = False
        self.chunked = chunked
        self.take = wire.take
        self.answer = wire.answer
        self.has_room = wire.has_room
        headers = (("content-type", streaming.content_type), *streaming.headers)
        wire.answer(responses.head(200, headers, chunked=chunked, close=True))

    @property
    def silent(self) -> bool:
        """Say whether nothing was sent since this was set."""
        return self._wire.silent

    @silent.setter
    def silent(self, silent: bool) -> None:
        self._wire.silent = silent

    def begin(self) -> None:
        """Let the stream be fed."""
        self._stream.open(self)

    def finish(self) -> None:
        """End the answer when everything before it has been sent."""
        if self.chunked and not self._finished:
            self._wire.answer(LAST_CHUNK)
        self._close()

    def fail(self) -> None:
        """End the answer amid: the client sees that something is missing, and connects again."""
        self._close()

    def received(self, data: bytes) -> None:
        """Drop what a client says amid an answer without an end."""

    def ended(self) -> None:
        """The client has left."""
        self._connection.channel.abort()

    def writable(self) -> None:
        """Nothing: the wire has gone on by itself."""

    def broken(self) -> None:
        """The connection has ended."""
        self._stream.lost()

    def sent_all(self) -> None:
        """The end of the answer has left."""
        self._connection.end()

    def is_lagging(self) -> None:
        """There is no word for it in a stream."""

    def is_stuck(self) -> None:
        """The client has taken nothing for too long: nothing is lost, it may resume."""
        self._connection.channel.abort()

    def stop(self) -> None:
        """The server is stopping; streams are ended elsewhere, a batch at a time."""

    def _close(self) -> None:
        """End the connection when everything has been sent that waits now."""
        if self._finished:
            return
        self._finished = True
        self._wire.finish()
        self._connection.close_within(CLOSING_SECONDS)
