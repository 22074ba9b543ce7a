"""``parley.v1+json``: one JSON object a text frame. Pure."""

from typing import Any

import msgspec

from engine.errors import ParleyError
from gateway.fanout.frames import websocket_json
from gateway.http import body
from gateway.realtime.dialects.dialect import Dialect
from gateway.realtime.protocol import (
    AnyFrame,
    BadFrameError,
    Call,
    MessageCreate,
    Ref,
    Referring,
)

SUBPROTOCOL = "parley.v1+json"

_REFS = msgspec.json.Decoder(Referring)
_DECODER = msgspec.json.Decoder(AnyFrame)
_ENCODER = msgspec.json.Encoder()


def decode(raw: bytes | str) -> AnyFrame:
    """Return the frame in one WebSocket message.

    Raises:
        BadFrameError: no JSON, no such ``op``, or its members are wrong.
        InvalidError: NUL in a text or an integer beyond 64 bits.
    """
    try:
        data = raw.encode() if isinstance(raw, str) else raw
        frame: AnyFrame = _DECODER.decode(data)
        if _may_be_deep(frame):
            body.check_depth(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ParleyError) as error:
        detail = str(error) if isinstance(error, msgspec.MsgspecError | ParleyError) else "no UTF-8"
        raise BadFrameError(detail) from error
    if not isinstance(frame, Call):  # its body is checked against its own route
        body.check_contents(data, frame)
    return frame


def _may_be_deep(frame: AnyFrame) -> bool:
    """Say whether anything in the frame may hold whatever its sender likes."""
    return isinstance(frame, Call) or (
        isinstance(frame, MessageCreate) and bool(frame.message.metadata)
    )


def ref_of(raw: bytes | str) -> Ref:
    """Return the ``ref`` of a message, even if the rest of it is wrong; ``None`` if it has none."""
    try:
        return _REFS.decode(raw).ref
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def encode(op: str, members: dict[str, Any]) -> bytes:
    """Return a frame of the server; ``members`` may hold JSON that is encoded already."""
    return _ENCODER.encode({"op": op, **members})


def body_json(raw: bytes) -> bytes:
    """Return the body of a call, which is JSON; its own route checks it."""
    return raw


DIALECT = Dialect(
    subprotocol=SUBPROTOCOL,
    binary=False,
    decode=decode,
    ref_of=ref_of,
    encode=encode,
    encode_struct=_ENCODER.encode,
    event=websocket_json,
    embed=msgspec.Raw,
    body_json=body_json,
)
