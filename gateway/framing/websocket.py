"""Frames of a WebSocket, as a server sends them (RFC 6455). Pure.

Unmasked, and without extensions. ``gateway.server.websocket`` reads what clients send.
"""

from struct import Struct

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10

FINAL = 0x80
"""The bit of a frame that ends its message."""
SHORT_MAX, TWO_BYTES_MAX = 125, 0xFFFF
"""The longest payloads whose length stands in the head itself, and in two bytes behind it."""
TWO_BYTES, EIGHT_BYTES = 126, 127
"""What stands for a length in two, and in eight bytes."""
CLOSE_CODE = Struct(">H")

_SHORT = Struct(">BB").pack
_MIDDLE = Struct(">BBH").pack
_LONG = Struct(">BBQ").pack
# Of the IANA registry: 1004 is reserved; 1005, 1006 and 1015 are never sent.
_REGISTERED = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014}
_OF_APPLICATIONS = range(3000, 5000)
_REASON_BYTES_MAX = SHORT_MAX - CLOSE_CODE.size


def frame(opcode: int, payload: bytes) -> bytes:
    """Return one final frame, unmasked, as a server sends it."""
    size = len(payload)
    if size <= SHORT_MAX:
        return _SHORT(FINAL | opcode, size) + payload
    if size <= TWO_BYTES_MAX:
        return _MIDDLE(FINAL | opcode, TWO_BYTES, size) + payload
    return _LONG(FINAL | opcode, EIGHT_BYTES, size) + payload


def close_payload(code: int, reason: str) -> bytes:
    """Return what a close frame says; a ``reason`` beyond 123 bytes is cut between characters.

    Raises:
        ValueError: this code is never sent.
    """
    if not may_be_sent(code):
        raise ValueError(f"{code} is no code of a close frame")
    text = reason.encode()[:_REASON_BYTES_MAX].decode(errors="ignore")
    return CLOSE_CODE.pack(code) + text.encode()


def close_frame(code: int, reason: str) -> bytes:
    """Return a close frame. Raises ``ValueError`` like ``close_payload``."""
    return frame(CLOSE, close_payload(code, reason))


def may_be_sent(code: int) -> bool:
    """Say whether a close frame may name ``code``."""
    return code in _REGISTERED or code in _OF_APPLICATIONS
