"""One dialogue in every dialect: the same frames are read, and the same are none."""

import tracemalloc
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from engine.errors import ForbiddenCharacterError, OutOfRangeError, ParleyError
from gateway.http.problem import code_of
from gateway.limits import FRAME_BYTES_MAX, JSON_DEPTH_MAX
from gateway.realtime import dialects
from gateway.realtime.dialects import json, msgpack
from gateway.realtime.dialects.dialect import Dialect
from gateway.realtime.protocol import AnyFrame, BadFrameError, Call
from tests.gateway.realtime.test_protocol import FRAMES

Encode = Callable[[Any], bytes]
ENCODERS: dict[str, Encode] = {
    json.SUBPROTOCOL: msgspec.json.encode,
    msgpack.SUBPROTOCOL: msgspec.msgpack.encode,
}
EACH = pytest.mark.parametrize(
    "dialect", dialects.DIALECTS.values(), ids=lambda dialect: dialect.subprotocol
)
POST = {"op": "message.create", "conversation": "c"}


def written(dialect: Dialect, value: Any) -> bytes:
    return ENCODERS[dialect.subprotocol](value)


def posted(**metadata: Any) -> dict[str, Any]:
    return POST | {"message": {"text": "x", "metadata": metadata}}


def nested(depth: int) -> list[Any]:
    return [nested(depth - 1)] if depth > 1 else []


@EACH
@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: type(frame).__name__)
def test_a_frame_is_read_as_it_was_sent(dialect: Dialect, frame: AnyFrame) -> None:
    if isinstance(frame, Call):
        frame = Call(method="POST", path="/x", body=msgspec.Raw(written(dialect, {"a": [1]})))
    assert dialect.decode(written(dialect, frame)) == frame
    assert dialect.ref_of(written(dialect, {"op": "nonsense", "ref": 7, "more": [1]})) == 7


NONE: dict[str, Any] = {
    "a list": [],
    "nothing": None,
    "no op": {},
    "an unknown op": {"op": "nonsense"},
    "an op that is no text": {"op": 1},
    "a missing member": {"op": "auth"},
    "one member more": {"op": "auth", "token": "x", "more": 1},
    "a choice there is not": {"op": "typing", "conversation": "c", "state": "maybe"},
    "a visibility there is not": {
        "op": "typing",
        "conversation": "c",
        "state": "start",
        "visibility": "secret",
    },
    "a presence there is not": {"op": "presence", "conversation": "c", "state": "busy"},
    "a mark below zero": {"op": "read", "conversation": "c", "version": -1},
    "half a mark": {"op": "read", "conversation": "c", "version": 1.5},
    "no name": {"op": "subscribe", "conversation": ""},
    "a method there is not": {"op": "call", "method": "TRACE", "path": "/"},
    "a ref that is a fraction": {"op": "ping", "ref": 1.5},
    "a ref that is an object": {"op": "ping", "ref": {}},
    "metadata that are too deep": posted(a=nested(JSON_DEPTH_MAX - 2)),
    "metadata that are far too deep": posted(a=nested(200)),
}


@EACH
@pytest.mark.parametrize("name", NONE)
def test_what_is_no_frame_is_a_bad_frame(dialect: Dialect, name: str) -> None:
    with pytest.raises(BadFrameError):
        dialect.decode(written(dialect, NONE[name]))


@EACH
def test_metadata_may_be_as_deep_in_one_dialect_as_in_the_other(dialect: Dialect) -> None:
    dialect.decode(written(dialect, posted(a=nested(JSON_DEPTH_MAX - 3))))


@EACH
@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (posted(a="\0"), ForbiddenCharacterError),
        (posted(a={"\0": 1}), ForbiddenCharacterError),
        ({"op": "subscribe", "conversation": "a\0"}, ForbiddenCharacterError),
        ({"op": "auth", "token": "\0"}, ForbiddenCharacterError),
        (posted(a=[2**63]), OutOfRangeError),
        ({"op": "ping", "ref": 2**64 - 1}, OutOfRangeError),
    ],
    ids=repr,
)
def test_a_value_that_cannot_be_stored_is_refused_and_no_bad_frame(
    dialect: Dialect, value: Any, kind: type[ParleyError]
) -> None:
    with pytest.raises(kind):
        dialect.decode(written(dialect, value))


@pytest.mark.parametrize(
    "raw", ["", "{", '{"op":1}', b"\xff", "\ud800", '{"op":"ping","ref":NaN}', "[" * 100_000]
)
def test_what_is_no_json_is_a_bad_frame(raw: bytes | str) -> None:
    with pytest.raises(BadFrameError):
        json.decode(raw)
    assert json.ref_of(raw) is None


@pytest.mark.parametrize(
    "raw",
    [
        '{"op":"ping","more":' + "[" * 100_000,
        '{"op":"ping","ref":' + "[" * 100_000,
        '{"op":"call","method":"POST","path":"/x","body":' + "[" * 40 + "]" * 40 + "}",
        '{"op":"message.create","conversation":"c","message":{"text":"x","metadata":{"a":'
        + "[" * 100_000,
    ],
    ids=["a member there is not", "a member of another type", "the body of a call", "metadata"],
)
def test_json_that_is_nested_too_deeply_is_a_bad_frame(raw: str) -> None:
    with pytest.raises(BadFrameError):
        json.decode(raw)


def test_json_may_come_in_binary_messages_too() -> None:
    raw = b'{"op":"ping","ref":1}'
    assert json.decode(raw) == json.decode(raw.decode())


PING = msgspec.msgpack.encode({"op": "ping"})
META = msgspec.msgpack.encode(posted(a=0))[:-1]
"""A message whose only metadata lacks its value."""

PEAK_BYTES_MAX = 4 * FRAME_BYTES_MAX

NAN = b"\xcb\x7f\xf8" + bytes(6)
LIST_OF_250_K = b"\xdd" + (250_000).to_bytes(4)
EMPTY_LIST_OF_4_G = b"\xdd\xff\xff\xff\xff"

HOSTILE: dict[str, bytes] = {
    "nothing": b"",
    "a byte that is never used": b"\xc1",
    "cut short": PING[:-1],
    "bytes behind it": PING + b"\0",
    "two frames": PING * 2,
    "an array of 4 G items": EMPTY_LIST_OF_4_G,
    "a map of 4 G members": b"\xdf\xff\xff\xff\xff",
    "a text of 4 G bytes": b"\xdb\xff\xff\xff\xff",
    "bytes of 4 G": b"\xc6\xff\xff\xff\xff",
    "an extension of 4 G bytes": b"\xc9\xff\xff\xff\xff\x05",
    "a map whose keys are lists": b"\x81\x91\x01\x01",
    "a depth of 1,000": b"\x91" * 1_000 + b"\xc0",
    "a depth of 200,000": b"\x91" * 200_000 + b"\xc0",
    "1,000 arrays of 4 G items in each other": EMPTY_LIST_OF_4_G * 1_000 + bytes(250_000),
    "900 arrays of all that is left in each other": LIST_OF_250_K * 900 + bytes(250_000),
    "metadata of 4 G items": META + EMPTY_LIST_OF_4_G,
    "metadata whose keys are lists": META + b"\x81\x91\x01\x01",
    "metadata whose keys are numbers": META + b"\x81\x01\x01",
    "metadata whose keys are bytes": META + b"\x81\xc4\x01a\x01",
    "an extension in metadata": META + b"\xd4\x05\x00",
    "a timestamp in metadata": META + b"\xd6\xff\x00\x00\x00\x01",
    "a timestamp that is none": META + b"\xc7\x0c\xff" + b"\xff" * 12,
    "bytes in metadata": META + b"\xc4\x01a",
    "NaN in metadata": META + NAN,
    "Infinity in metadata": META + b"\xcb\x7f\xf0" + bytes(6),
    "NaN as a position": msgspec.msgpack.encode({"op": "subscribe", "after": 0})[:-1] + NAN,
    "no UTF-8": b"\x82\xa2op\xa4ping\xa3ref\xa2\xff\xfe",
    "a surrogate": b"\x82\xa2op\xa4ping\xa3ref\xa3\xed\xa0\x80",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_messagepack_is_a_bad_frame(name: str) -> None:
    with pytest.raises(BadFrameError):
        msgpack.decode(HOSTILE[name])


def test_what_hostile_messagepack_announces_is_never_allocated() -> None:
    largest = max(len(raw) for raw in HOSTILE.values())
    assert largest > FRAME_BYTES_MAX // 2
    tracemalloc.start()
    try:
        for raw in HOSTILE.values():
            msgpack.ref_of(raw)
            with pytest.raises(BadFrameError):
                msgpack.decode(raw)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < PEAK_BYTES_MAX


def test_text_is_no_messagepack() -> None:
    with pytest.raises(BadFrameError):
        msgpack.decode('{"op":"ping"}')
    assert msgpack.ref_of('{"op":"ping","ref":1}') is None
    assert msgpack.ref_of(HOSTILE["a depth of 1,000"]) is None


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (EMPTY_LIST_OF_4_G, "malformed_msgpack"),
        (b"\xc1", "malformed_msgpack"),
        (NAN, "wrong_type"),
        (b"\x81\x91\x01\x01", "wrong_type"),
        (b"\xd4\x05\x00", "wrong_type"),
        (b"\x91" * 40 + b"\xc0", "too_deep"),
        (b"\xcf" + b"\xff" * 8, "out_of_range"),
    ],
)
def test_the_body_of_a_call_is_what_json_can_hold(raw: bytes, code: str) -> None:
    with pytest.raises(ParleyError) as refusal:
        msgpack.body_json(raw)
    assert code_of(refusal.value) == code


def test_the_first_subprotocol_of_ours_is_spoken() -> None:
    offered = ["graphql-ws", msgpack.SUBPROTOCOL, json.SUBPROTOCOL]
    assert dialects.agreed(offered) == (msgpack.DIALECT, msgpack.DIALECT.subprotocol)
    assert dialects.agreed(reversed(offered)) == (json.DIALECT, json.DIALECT.subprotocol)


@pytest.mark.parametrize("offered", [["graphql-ws"], []])
def test_who_offers_no_dialect_of_ours_is_spoken_to_in_json_and_named_none(
    offered: list[str],
) -> None:
    assert dialects.agreed(offered) == (json.DIALECT, None)
