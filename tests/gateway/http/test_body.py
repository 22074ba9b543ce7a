"""From bytes to a typed value, or to a clear refusal."""

import time
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from engine.errors import ParleyError
from gateway.http import body
from gateway.http.media_types import JSON, MSGPACK
from gateway.http.problem import code_of, status_of
from gateway.limits import INTEGER_MAX, JSON_DEPTH_MAX, REQUEST_BODY_BYTES_MAX


class Order(msgspec.Struct, forbid_unknown_fields=True):
    """What these tests decode."""

    name: Annotated[str, Meta(min_length=1, max_length=5)] = "x"
    size: Annotated[int, Meta(ge=1)] = 1
    colour: Literal["red", "blue"] = "red"
    more: Any = None


class Needy(msgspec.Struct, forbid_unknown_fields=True):
    """A struct with a member that must be there."""

    name: str


def refused(raw: bytes, media_type: str = JSON, *, strict: bool = False) -> ParleyError:
    with pytest.raises(ParleyError) as error:
        body.decode(raw, Order, media_type=media_type, strict=strict)
    return error.value


def nested(levels: int) -> bytes:
    return b'{"more":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"


@pytest.mark.parametrize(
    ("raw", "order"),
    [
        (b"{}", Order()),
        (b' {"name" : "a" } ', Order("a")),
        ('{"name":"é😀"}'.encode(), Order("é😀")),
        (b'{"name":"\\u00e9"}', Order("é")),
        (b'{"more":9223372036854775807}', Order(more=INTEGER_MAX)),
        (b'{"more":-9223372036854775808}', Order(more=-INTEGER_MAX - 1)),
        (b'{"more":1.5}', Order(more=1.5)),
        (b'{"more":1e300}', Order(more=1e300)),
        (b'{"more":[true,null,{"a":1}]}', Order(more=[True, None, {"a": 1}])),
        (b'{"more":"1234567890123456789012"}', Order(more="1234567890123456789012")),
        (b'{"more":"\\\\u0000"}', Order(more="\\u0000")),
        (b'{"more":"[[[["}', Order(more="[[[[")),
        (b'{"size":1,"size":2}', Order(size=2)),
    ],
)
def test_good_json_is_read(raw: bytes, order: Order) -> None:
    assert body.decode(raw, Order) == order


@pytest.mark.parametrize(
    ("raw", "code", "field"),
    [
        (b"", "malformed_json", None),
        (b"{", "malformed_json", None),
        (b"{} {}", "malformed_json", None),
        (b"{'name':'a'}", "malformed_json", None),
        (b'{"name":"a",}', "malformed_json", None),
        (b"\xef\xbb\xbf{}", "malformed_json", None),
        (b"\xff", "malformed_json", None),
        (b'{"name":"\xff"}', "malformed_json", None),
        (b'{"name":"\\ud800"}', "malformed_json", None),
        (b'{"name":"a\x00"}', "malformed_json", None),
        (b'{"more":NaN}', "malformed_json", None),
        (b'{"more":Infinity}', "malformed_json", None),
        (b'{"more":1e400}', "malformed_json", None),
        (b'{"more":01}', "malformed_json", None),
        (b'{"size":"1","x":}', "malformed_json", None),
        (b"[]", "wrong_type", ""),
        (b"null", "wrong_type", ""),
        (b'"text"', "wrong_type", ""),
        (b'{"name":1}', "wrong_type", "name"),
        (b'{"name":null}', "wrong_type", "name"),
        (b'{"size":"1"}', "wrong_type", "size"),
        (b'{"size":1.5}', "wrong_type", "size"),
        (b'{"size":true}', "wrong_type", "size"),
        (b'{"nmae":"a"}', "unknown_field", "nmae"),
        (b'{"name":""}', "out_of_range", "name"),
        (b'{"name":"abcdef"}', "out_of_range", "name"),
        (b'{"size":0}', "out_of_range", "size"),
        (b'{"colour":"green"}', "out_of_range", "colour"),
        (b'{"size":9223372036854775808}', "out_of_range", "size"),
        (b'{"more":9223372036854775808}', "out_of_range", "more"),
        (b'{"more":[-9223372036854775809]}', "out_of_range", "more[0]"),
        (b'{"more":{"a":[1,12345678901234567890]}}', "out_of_range", "more.a[1]"),
        (b'{"name":"a\\u0000"}', "forbidden_character", "name"),
        (b'{"more":{"a":"\\u0000"}}', "forbidden_character", "more.a"),
        (b'{"more":{"\\u0000":1}}', "forbidden_character", "more"),
    ],
)
def test_bad_json_is_refused_by_name(raw: bytes, code: str, field: str | None) -> None:
    error = refused(raw)
    assert code_of(error) == code
    assert status_of(error) == (400 if code == "malformed_json" else 422)
    assert [problem.field for problem in error.errors] == ([] if field is None else [field])


def test_a_member_that_is_missing_is_named() -> None:
    with pytest.raises(ParleyError) as error:
        body.decode(b"{}", Needy)
    assert (code_of(error.value), "`name`" in error.value.detail) == ("wrong_type", True)


def test_members_that_stand_twice_are_refused_where_it_matters() -> None:
    for raw in (b'{"size":1,"size":2}', b'{"more":[{"a":1,"a":1}]}'):
        assert code_of(refused(raw, strict=True)) == "duplicate_key"
    assert body.decode(b'{"size":2,"more":{"size":1}}', Order, strict=True).size == 2


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ({"name": "a", "size": 3}, None),
        ({"more": [1.5, True, None, {"a": "b"}]}, None),
        ({"more": INTEGER_MAX}, None),
        ({"more": 2**64 - 1}, "out_of_range"),
        ({"more": float("nan")}, "wrong_type"),
        ({"more": [float("inf")]}, "wrong_type"),
        ({"more": b"bytes"}, "wrong_type"),
        ({"more": {1: 2}}, "wrong_type"),
        ({"more": "a\0"}, "forbidden_character"),
        ({"more": {"\0": 1}}, "forbidden_character"),
        ({"nmae": 1}, "unknown_field"),
        ({"size": 0}, "out_of_range"),
        ({"size": "1"}, "wrong_type"),
        ([], "wrong_type"),
        (None, "wrong_type"),
    ],
)
def test_messagepack_is_held_to_the_same(value: object, code: str | None) -> None:
    raw = msgspec.msgpack.encode(value)
    if code is None:
        assert body.decode(raw, Order, media_type=MSGPACK) == msgspec.convert(value, Order)
    else:
        assert code_of(refused(raw, MSGPACK)) == code


@pytest.mark.parametrize(
    "raw",
    [b"", b"\xc1", b"\x81", b"\xa1\xff", b"{}{}", b"\x80\x80", b"\x91" * 100_000, b"\xdd\xff\xff"],
)
def test_what_is_no_messagepack_is_refused(raw: bytes) -> None:
    assert status_of(refused(raw, MSGPACK)) in {400, 422}


def test_json_and_messagepack_nest_equally_deep() -> None:
    deepest = nested(JSON_DEPTH_MAX)
    packed = msgspec.msgpack.encode(msgspec.json.decode(deepest))
    assert body.decode(deepest, Order) == body.decode(packed, Order, media_type=MSGPACK)
    assert code_of(refused(nested(JSON_DEPTH_MAX + 1))) == "too_deep"
    too_deep = msgspec.msgpack.encode(msgspec.json.decode(nested(JSON_DEPTH_MAX + 2)))
    assert code_of(refused(too_deep, MSGPACK)) == "too_deep"


@pytest.mark.parametrize(
    "raw",
    [
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b'{"more":"' + b"[" * 100_000 + b'"' + b"[" * 33,
        b'["\\""' + b",[" * 40,
    ],
)
def test_endless_nesting_is_refused_before_it_is_parsed(raw: bytes) -> None:
    assert code_of(refused(raw)) == "too_deep"


def test_brackets_in_texts_and_side_by_side_are_no_depth() -> None:
    many = b"[" + b",".join([b"[]"] * 1_000) + b"]"
    assert len(body.decode(b'{"more":' + many + b"}", Order).more) == 1_000
    text = b'\\"[{' * 1_000
    assert body.decode(b'{"more":"' + text + b'"}', Order).more.count("[{") == 1_000


@pytest.mark.parametrize("pattern", [b'\\"', b"\\", b'"', b'["', b'"\\', b"[]", b"a"])
def test_no_body_takes_longer_than_its_length(pattern: bytes) -> None:
    raw = b"[]" * 40 + b'"' + pattern * (REQUEST_BODY_BYTES_MAX // len(pattern))
    began = time.process_time()
    try:
        body.check_depth(raw)
    except ParleyError as error:
        assert code_of(error) == "too_deep"  # noqa: PT017 - the time is what is tested
    assert time.process_time() - began < 2


@given(st.binary(max_size=60))
def test_no_bytes_are_a_failure(raw: bytes) -> None:
    for media_type in (JSON, MSGPACK):
        try:
            body.decode(raw, Order, media_type=media_type)
        except ParleyError as error:
            assert status_of(error) in {400, 422}  # noqa: PT017 - most bytes are refused, not all


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-INTEGER_MAX - 1, INTEGER_MAX)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", max_size=3), inner),
    max_leaves=10,
)


@given(JSON_VALUES)
def test_both_formats_read_the_same_value(value: object) -> None:
    as_json = body.decode(msgspec.json.encode({"more": value}), Order)
    raw = msgspec.msgpack.encode({"more": value})
    assert body.decode(raw, Order, media_type=MSGPACK) == as_json == Order(more=value)


@pytest.mark.parametrize(
    ("headers", "media_type"),
    [
        ({"content-type": "application/json"}, JSON),
        ({"content-type": "Application/JSON; Charset=UTF-8"}, JSON),
        ({"content-type": 'application/json; charset="utf-8"'}, JSON),
        ({"content-type": "application/msgpack"}, MSGPACK),
        ({"content-type": "application/json", "content-encoding": "identity"}, JSON),
        ({}, None),
        ({"content-type": ""}, None),
        ({"content-type": "text/plain"}, None),
        ({"content-type": "application/jsonp"}, None),
        ({"content-type": "application/json; charset=utf-16"}, None),
        ({"content-type": "application/json; charset=latin-1"}, None),
        ({"content-type": "application/json", "content-encoding": "gzip"}, None),
    ],
)
def test_a_body_says_what_it_is(headers: dict[str, str], media_type: str | None) -> None:
    if media_type is not None:
        assert body.check_content_type(headers) == media_type
        return
    with pytest.raises(ParleyError) as error:
        body.check_content_type(headers)
    assert (code_of(error.value), status_of(error.value)) == ("unsupported_media_type", 415)


class Sent:
    """A body that a client sends, and how often it was read."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.reads = 0

    async def read(self) -> bytes:
        self.reads += 1
        return self.raw


async def test_a_body_is_read_once_and_decoded() -> None:
    sent = Sent(b'{"name":"Ann"}')
    found = await body.received({"content-type": JSON}, sent.read, Order)
    assert (found.name, sent.reads) == ("Ann", 1)


@pytest.mark.parametrize(
    ("headers", "size", "code", "reads"),
    [
        ({"content-type": "text/plain"}, 1, "unsupported_media_type", 0),
        ({"content-length": str(REQUEST_BODY_BYTES_MAX + 1)}, 1, "too_large", 0),
        ({}, REQUEST_BODY_BYTES_MAX + 1, "too_large", 1),
        ({}, REQUEST_BODY_BYTES_MAX, "malformed_json", 1),
    ],
)
async def test_a_body_is_refused_as_early_as_can_be(
    headers: dict[str, str], size: int, code: str, reads: int
) -> None:
    sent = Sent(b"x" * size)
    with pytest.raises(ParleyError) as refusal:
        await body.received({"content-type": JSON} | headers, sent.read, Order)
    assert (code_of(refusal.value), sent.reads) == (code, reads)
