"""Messages out of the bytes of one WebSocket (RFC 6455). Pure.

The server's side: what comes is masked, what goes is not. Extensions are never agreed on, so that
each reserved bit is a violation and nothing small becomes huge.
"""

from gateway.framing.websocket import (
    BINARY,
    CLOSE,
    CLOSE_CODE,
    FINAL,
    PING,
    PONG,
    SHORT_MAX,
    TEXT,
    TWO_BYTES,
    TWO_BYTES_MAX,
    may_be_sent,
)
from gateway.limits import INTEGER_MAX

_CONTINUATION = 0
_KNOWN = {_CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG}
_RESERVED, _CONTROL, _OPCODE = 0x70, 0x08, 0x0F
_WHOLE_TEXT = FINAL | TEXT
_WHOLE = {_WHOLE_TEXT, FINAL | BINARY}
_MASKED = 0x80
_KEY_BYTES = 4

_PROTOCOL_ERROR, _BAD_DATA, _POLICY, _TOO_BIG = 1002, 1007, 1008, 1009
_NO_CODE = 1005

_AS_NUMBER_BYTES_MAX = 3_000
_XOR = [bytes(byte ^ key for byte in range(256)) for key in range(256)]  # 64 KiB


_NOTHING = bytearray()
"""Shared by all who keep nothing, and never added to: an idle peer has no buffer of its own."""


class ViolationError(Exception):
    """The peer broke the protocol: the connection is to be closed with ``code`` and ``reason``."""

    def __init__(self, code: int, reason: str) -> None:
        """Keep what a close frame needs."""
        super().__init__(reason)
        self.code = code
        self.reason = reason


class MessageReader:
    """Reads what one client sends. What follows a close frame is passed over, unread."""

    __slots__ = (
        "_first",
        "_fragments",
        "_fragments_max",
        "_head",
        "_key",
        "_left",
        "_message",
        "_opcode",
        "_over",
        "_part",
        "_room",
        "_violation",
        "before",
    )

    before: list[tuple[int, bytes]]
    """What was whole before the violation, in the bytes that ``feed`` raised it for."""

    def __init__(self, *, message_bytes_max: int, fragments_max: int) -> None:
        """Take messages of so many bytes and frames at most."""
        self.before = []
        self._fragments_max = fragments_max
        self._head = b""  # of a frame whose payload has not begun
        self._first = 0  # the first byte of the frame whose payload has begun
        self._key = b""
        self._part = _NOTHING  # of that payload, as it came
        self._left = 0  # bytes of it that are still to come
        self._opcode = 0  # of the message that has begun and goes on in another frame
        self._fragments = 0
        self._message = _NOTHING
        self._room = message_bytes_max  # bytes that the message may still grow by
        self._over = False
        self._violation: ViolationError | None = None

    @property
    def buffered(self) -> int:
        """Bytes that are kept until the rest comes: of a message, and of a control frame in it."""
        return len(self._head) + len(self._part) + len(self._message)

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Take the next bytes; return what they complete: (opcode, payload), in order.

        Fragments are joined. The payload of a text is valid UTF-8; that of a close frame is valid
        for ``parse_close``.

        Raises:
            ViolationError: the peer broke the protocol. What was whole before it is in ``before``.
                Raised again by every further call, with nothing before it.
        """
        messages: list[tuple[int, bytes]] = []
        if self._violation is not None:
            self.before = messages
            raise self._violation
        try:
            self._read(data, messages)
        except ViolationError as violation:
            self._violation, self.before = violation, messages
            self._drop()
            raise
        return messages

    def _read(self, data: bytes, messages: list[tuple[int, bytes]]) -> None:
        at = 0
        if self._left:
            at = self._go_on(data, messages)
        elif self._head:
            data, self._head = self._head + data, b""
        while not self._over:
            start, end = self._extent(data, at)
            if end > len(data):
                self._keep(data, at, start, end)
                return
            payload = unmask(data[start:end], data[start - _KEY_BYTES : start])
            if data[at] == _WHOLE_TEXT and payload.isascii():
                messages.append((TEXT, payload))
            else:
                self._deliver(data[at], payload, messages)
            at = end

    def _extent(self, data: bytes, at: int) -> tuple[int, int]:
        """Return where the payload of the next frame begins and ends; what is known is checked.

        As long as the length has not come, the end is one byte beyond what is there.
        """
        size = len(data)
        if size < at + 2:
            return at, size + 1
        first, length = data[at], data[at + 1] - _MASKED
        if length < 0 or self._opcode or first not in _WHOLE:
            self._check(first, length)
        start = at + 2 + _KEY_BYTES
        if length > SHORT_MAX:
            start += 2 if length == TWO_BYTES else 8
            if size < start - _KEY_BYTES:
                return at, size + 1
            length = _long(data[at + 2 : start - _KEY_BYTES])
        if length > self._room and not first & _CONTROL:
            raise ViolationError(_TOO_BIG, "the message is too big")
        return start, start + length

    def _keep(self, data: bytes, at: int, start: int, end: int) -> None:
        """Keep a frame that is not whole.

        What follows is only added to a payload that has begun, so that a large one in many small
        reads is not copied again and again.
        """
        if start == at or len(data) < start:
            self._head = data[at:]
            return
        self._first = data[at]
        self._key = data[start - _KEY_BYTES : start]
        self._part = bytearray(data[start:])
        self._left = end - len(data)

    def _go_on(self, data: bytes, messages: list[tuple[int, bytes]]) -> int:
        """Add to the payload of the frame that has begun. Return where the next one begins."""
        taken = min(self._left, len(data))
        self._part += data[:taken]
        self._left -= taken
        if not self._left:
            payload = unmask(bytes(self._part), self._key)
            self._part = _NOTHING
            self._deliver(self._first, payload, messages)
        return taken

    def _check(self, first: int, length: int) -> None:
        """Refuse what two bytes tell; ``length`` is below 0 if there is no mask."""
        opcode = first & _OPCODE
        if first & _RESERVED:
            raise ViolationError(_PROTOCOL_ERROR, "a reserved bit is set")
        if opcode not in _KNOWN:
            raise ViolationError(_PROTOCOL_ERROR, "unknown opcode")
        if opcode & _CONTROL:
            if not first & FINAL:
                raise ViolationError(_PROTOCOL_ERROR, "a control frame in fragments")
            if length > SHORT_MAX:
                raise ViolationError(_PROTOCOL_ERROR, "a control frame of more than 125 bytes")
        elif opcode == _CONTINUATION and not self._opcode:
            raise ViolationError(_PROTOCOL_ERROR, "nothing to continue")
        elif opcode != _CONTINUATION and self._opcode:
            raise ViolationError(_PROTOCOL_ERROR, "a new message amid another one")
        elif self._fragments >= self._fragments_max:
            raise ViolationError(_POLICY, "too many fragments")
        if length < 0:
            raise ViolationError(_PROTOCOL_ERROR, "a frame without a mask")

    def _deliver(self, first: int, payload: bytes, messages: list[tuple[int, bytes]]) -> None:
        """Take a whole frame."""
        opcode = first & _OPCODE
        if opcode & _CONTROL:
            if opcode == CLOSE:
                parse_close(payload)
                self._over = True
                self._drop()
            messages.append((opcode, payload))
            return
        if not first & FINAL or opcode == _CONTINUATION:
            self._gather(opcode, payload)
            if not first & FINAL:
                return
            opcode, payload = self._gathered()
        if opcode == TEXT:
            _check_utf8(payload)
        messages.append((opcode, payload))

    def _gather(self, opcode: int, payload: bytes) -> None:
        self._opcode = opcode or self._opcode
        self._fragments += 1
        self._message = self._message or bytearray()
        self._message += payload
        self._room -= len(payload)

    def _gathered(self) -> tuple[int, bytes]:
        opcode, payload = self._opcode, bytes(self._message)
        self._room += len(payload)
        self._opcode = self._fragments = 0
        self._message = _NOTHING
        return opcode, payload

    def _drop(self) -> None:
        """Keep nothing any longer: nobody will ask for it."""
        self._head = b""
        self._part = self._message = _NOTHING
        self._left = 0


def unmask(payload: bytes, key: bytes) -> bytes:
    """Return a payload without its mask, or with it: it is the same.

    As one large number when it is short; else byte by byte, by four tables, which costs less than
    half for the largest.
    """
    size = len(payload)
    if size > _AS_NUMBER_BYTES_MAX:
        unmasked = bytearray(size)
        for lane in range(_KEY_BYTES):
            unmasked[lane::_KEY_BYTES] = payload[lane::_KEY_BYTES].translate(_XOR[key[lane]])
        return bytes(unmasked)
    mask = int.from_bytes((key * (size // _KEY_BYTES + 1))[:size], "little")
    return (int.from_bytes(payload, "little") ^ mask).to_bytes(size, "little")


def parse_close(payload: bytes) -> tuple[int, str]:
    """Return code and reason of a close frame; 1005 if it names none.

    Raises:
        ViolationError: half a code, one that is never sent, or a reason that is not UTF-8.
    """
    if not payload:
        return _NO_CODE, ""
    if len(payload) < CLOSE_CODE.size:
        raise ViolationError(_PROTOCOL_ERROR, "half a close code")
    code: int = CLOSE_CODE.unpack_from(payload)[0]
    if not may_be_sent(code):
        raise ViolationError(_PROTOCOL_ERROR, "a close code that is never sent")
    reason = payload[CLOSE_CODE.size :]
    _check_utf8(reason)
    return code, reason.decode()


def _check_utf8(text: bytes) -> None:
    try:
        text.decode()
    except UnicodeDecodeError as error:
        raise ViolationError(_BAD_DATA, "that is not UTF-8") from error


def _long(announced: bytes) -> int:
    """Return a length of two or eight bytes. Each length is written in one way only."""
    length = int.from_bytes(announced, "big")
    if length <= (SHORT_MAX if len(announced) == 2 else TWO_BYTES_MAX):  # noqa: PLR2004
        raise ViolationError(_PROTOCOL_ERROR, "a length in more bytes than it needs")
    if length > INTEGER_MAX:
        raise ViolationError(_PROTOCOL_ERROR, "a length beyond 63 bits")
    return length
