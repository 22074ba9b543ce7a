"""A WebSocket of our own as the line of a session (shell)."""

from gateway.framing import websocket as framing
from gateway.limits import CLOSING_SECONDS, FRAGMENTS_MAX, FRAME_BYTES_MAX
from gateway.realtime.session import Session
from gateway.server.connection import Connection
from gateway.server.websocket import MessageReader, ViolationError


class WebSocketLine:
    """Frames what a session says, and reads what its peer says. The connection's tenant."""

    __slots__ = (
        "_binary",
        "_close_said",
        "_closed_by_peer",
        "_connection",
        "_reader",
        "_session",
        "_wire",
        "take",
    )

    framed = True

    def __init__(self, connection: Connection, *, binary: bool) -> None:
        """Speak over ``connection``, in ``binary`` messages or in text."""
        self._connection = connection
        self._wire = wire = connection.wire
        self._binary = binary
        self._reader = MessageReader(message_bytes_max=FRAME_BYTES_MAX, fragments_max=FRAGMENTS_MAX)
        self._session: Session | None = None
        self._close_said = False
        self._closed_by_peer = False
        # No step in between: rooms call it for every recipient.
        self.take = wire.take

    @property
    def silent(self) -> bool:
        """Say whether nothing was sent since this was set."""
        return self._wire.silent

    @silent.setter
    def silent(self, silent: bool) -> None:
        self._wire.silent = silent

    def begin(self, session: Session) -> None:
        """Let ``session`` hear what comes."""
        self._session = session
        session.begin()

    def answer(self, frame: bytes) -> None:
        """Take an answer or a farewell."""
        self._wire.answer(self._framed(frame))

    def offer(self, frame: bytes) -> bool:
        """Take a frame that is worth nothing later, if there is room."""
        return self._wire.take(self._framed(frame))

    async def has_room(self) -> None:
        """Wait until the peer has taken most of what waits for it."""
        await self._wire.has_room()

    def close(self, code: int, reason: str) -> None:
        """Close with ``code`` when everything before it has been sent, and hear the peer out."""
        if self._close_said:
            return
        self._close_said = True
        self._wire.answer(framing.close_frame(code, reason))
        self._wire.finish()
        self._connection.channel.resume()  # the peer's own close is to be heard
        self._connection.close_within(CLOSING_SECONDS)

    def pause(self) -> None:
        """Read no more."""
        self._connection.channel.pause()

    def resume(self) -> None:
        """Read on."""
        self._connection.channel.resume()

    def fail(self) -> None:
        """End because the log cannot be read for this client."""
        if self._session is not None:
            self._session.fail()

    def received(self, data: bytes) -> None:
        """Read what the peer says; a violation closes with its code."""
        if self._closed_by_peer:
            return
        violation: ViolationError | None = None
        try:
            heard = self._reader.feed(data)
        except ViolationError as error:
            heard, violation = self._reader.before, error
        for opcode, payload in heard:
            self._hear(opcode, payload)
        if violation is not None and not self._closed_by_peer:
            self._violated(violation)

    def ended(self) -> None:
        """The peer has left."""
        self._connection.channel.abort()

    def writable(self) -> None:
        """Nothing: the wire has gone on by itself."""

    def broken(self) -> None:
        """The connection has ended."""
        if self._session is not None:
            self._session.lost()

    def sent_all(self) -> None:
        """The close frame has left: the connection ends when both sides have said it."""
        if self._closed_by_peer:
            self._connection.end()

    def is_lagging(self) -> None:
        """The peer has taken nothing for a while: say how far it is, should it read again."""
        if self._session is not None:
            self._session.tell_lagging()

    def is_stuck(self) -> None:
        """The peer has taken nothing for too long."""
        if self._session is not None and not self._close_said:
            self._session.end_too_slow()
        else:
            self._connection.channel.abort()

    def stop(self) -> None:
        """The server is stopping; sessions are said goodbye to elsewhere, a batch at a time."""

    def _hear(self, opcode: int, payload: bytes) -> None:
        if self._closed_by_peer or (self._close_said and opcode != framing.CLOSE):
            return
        if opcode == framing.TEXT:
            self._hear_message(payload.decode() if self._binary else payload)
        elif opcode == framing.BINARY:
            self._hear_message(payload)
        elif opcode == framing.PING:
            self._wire.answer(framing.frame(framing.PONG, payload))
        elif opcode == framing.CLOSE:
            self._hear_close(payload)

    def _hear_message(self, message: bytes | str) -> None:
        if self._session is not None:
            self._session.hear(message)

    def _hear_close(self, payload: bytes) -> None:
        """Answer the peer's close with its own code, and end."""
        self._closed_by_peer = True
        if self._close_said:
            if not self._wire.waiting:  # else when our own has left
                self._connection.end()
            return
        self._close_said = True
        if self._session is not None:
            self._session.lost()
        self._wire.answer(framing.frame(framing.CLOSE, payload[:2]))
        self._wire.finish()

    def _violated(self, violation: ViolationError) -> None:
        if self._session is not None:
            self._session.lost()
        self.close(violation.code, violation.reason)
        self._closed_by_peer = True  # nothing of what follows can be trusted

    def _framed(self, payload: bytes) -> bytes:
        return framing.frame(framing.BINARY if self._binary else framing.TEXT, payload)
