"""``parley.v1+msgpack``: one MessagePack map a binary frame. Pure.

What JSON cannot hold is refused here too, so that both dialects say the same: binary strings,
extensions, NaN, members whose names are no text.
"""

from typing import Any

import msgspec

from engine.errors import ForbiddenCharacterError, OutOfRangeError, ParleyError
from gateway.fanout.frames import websocket_msgpack
from gateway.http import body
from gateway.http.problem import HttpError
from gateway.realtime.dialects.announced import announced_members
from gateway.realtime.dialects.dialect import Dialect
from gateway.realtime.protocol import (
    AnyFrame,
    BadFrameError,
    Call,
    MessageCreate,
    Ref,
    Referring,
    Subscribe,
)

SUBPROTOCOL = "parley.v1+msgpack"

_METADATA_DEPTH = 2
"""The frame and the message around it."""

_NUL = b"\0"
_UNSIGNED_64 = b"\xcf"
"""The only head of an integer that may be beyond 63 bits."""

_REFS = msgspec.msgpack.Decoder(Referring)
_DECODER = msgspec.msgpack.Decoder(AnyFrame)
_ENCODER = msgspec.msgpack.Encoder()


def decode(raw: bytes | str) -> AnyFrame:
    """Return the frame in one WebSocket message.

    Raises:
        BadFrameError: text, no MessagePack, no such ``op``, or its members are wrong.
        InvalidError: NUL in a text or an integer beyond 64 bits.
    """
    if isinstance(raw, str):
        raise BadFrameError("this connection speaks MessagePack: send binary messages")
    try:
        frame: AnyFrame = _DECODER.decode(raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError) as error:
        detail = str(error) if isinstance(error, msgspec.MsgspecError) else "no MessagePack value"
        raise BadFrameError(detail) from error
    try:
        _check(frame, raw)
    except (ForbiddenCharacterError, OutOfRangeError):
        raise
    except ParleyError as error:
        raise BadFrameError(error.detail) from error
    return frame


def ref_of(raw: bytes | str) -> Ref:
    """Return the ``ref`` of a message, even if the rest of it is wrong; ``None`` if it has none."""
    if isinstance(raw, str):
        return None
    try:
        return _REFS.decode(raw).ref
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError):
        return None


def encode(op: str, members: dict[str, Any]) -> bytes:
    """Return a frame of the server."""
    return _ENCODER.encode({"op": op, **members})


def body_json(raw: bytes) -> bytes:
    """Return the body of a call as JSON; its own route checks what is in it.

    Raises:
        ParleyError: no MessagePack value, one that JSON cannot hold, or a member stands twice.
    """
    if not raw:
        return b""
    value = body.unpacked(raw)
    # A map that was decoded holds each name once, so what its route refuses must be found here.
    if announced_members(raw) != _members_in(value):
        raise HttpError("duplicate_key", "a member of the body stands twice")
    return msgspec.json.encode(value)


def _check(frame: AnyFrame, raw: bytes) -> None:
    """Check what the types of the frame leave open; most frames hold nothing of the kind."""
    if isinstance(frame, Call):  # its body is checked against its own route
        return
    if isinstance(frame, MessageCreate) and frame.message.metadata:
        body.check_values("message.metadata", frame.message.metadata, depth=_METADATA_DEPTH)
    elif isinstance(frame, Subscribe):
        body.check_values("after", frame.after, depth=1)
    if _NUL in raw or _UNSIGNED_64 in raw:
        body.check_values("", msgspec.to_builtins(frame), depth=0)


def _members_in(value: Any) -> int:
    if isinstance(value, dict):
        return len(value) + sum(map(_members_in, value.values()))
    return sum(map(_members_in, value)) if isinstance(value, list) else 0


DIALECT = Dialect(
    subprotocol=SUBPROTOCOL,
    binary=True,
    decode=decode,
    ref_of=ref_of,
    encode=encode,
    encode_struct=_ENCODER.encode,
    event=websocket_msgpack,
    embed=msgspec.json.decode,
    body_json=body_json,
)
