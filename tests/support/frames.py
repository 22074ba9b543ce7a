"""WebSocket frames as bytes (RFC 6455): those of a server read, and those no client would send."""

from collections.abc import Iterator

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    final: bool = True,
    reserved: int = 0,
    length: bytes | None = None,
    masked: bool = True,
) -> bytes:
    """Return a frame of a client; ``length`` = these bytes instead of the right ones."""
    size = len(payload)
    if length is None:
        if size < 126:
            length = bytes([size])
        else:
            length = b"\x7e" + size.to_bytes(2) if size < 0x10000 else b"\x7f" + size.to_bytes(8)
    first = (0x80 if final else 0) | reserved << 4 | opcode
    if not masked:
        return bytes([first]) + length + payload
    return bytes([first, length[0] | 0x80]) + length[1:] + bytes(4) + payload


def close(code: int, reason: bytes = b"") -> bytes:
    return frame(CLOSE, code.to_bytes(2) + reason)


def frames_in(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (opcode, payload) of each whole frame of a server; they are never cut into parts."""
    at = 0
    while at < len(data):
        first, size = data[at : at + 2]
        assert first & 0xF0 == 0x80, f"{first:#x} is no whole frame without reserved bits"
        assert size < 128, "a server does not mask"
        at += 2
        if size > 125:
            wide = 2 if size == 126 else 8
            size, at = int.from_bytes(data[at : at + wide]), at + wide
        yield first & 0x0F, data[at : at + size]
        at += size


def ended_with(data: bytes) -> tuple[list[tuple[int, bytes]], int | None]:
    """Return the frames in front of a server's close frame, and the code of that, if it came."""
    frames = list(frames_in(data))
    for at, (opcode, payload) in enumerate(frames):
        if opcode == CLOSE:
            assert frames[at + 1 :] == [], "something was said behind the close"
            return frames[:at], int.from_bytes(payload[:2])
    return frames, None
