"""A WebSocket client's frames, written byte by byte as RFC 6455, section 5.2, draws them."""

from itertools import cycle

KEY = b"\x37\xfa\x21\x3d"


def masked(payload: bytes, key: bytes) -> bytes:
    return bytes(byte ^ mask for byte, mask in zip(payload, cycle(key), strict=False))


def length_of(size: int) -> bytes:
    """Return the length with the bit that says: masked."""
    if size < 126:
        return bytes([0x80 | size])
    if size < 65_536:
        return bytes([0x80 | 126]) + size.to_bytes(2, "big")
    return bytes([0x80 | 127]) + size.to_bytes(8, "big")


def said(opcode: int, payload: bytes = b"", *, final: bool = True, key: bytes = KEY) -> bytes:
    """Return the frame of a client."""
    first = (0x80 if final else 0) | opcode
    return bytes([first]) + length_of(len(payload)) + key + masked(payload, key)
