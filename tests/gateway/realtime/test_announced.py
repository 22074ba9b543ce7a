"""Members that stand twice in MessagePack: found by what its maps announce."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ParleyError
from gateway.http.problem import code_of
from gateway.realtime.dialects.announced import announced_members
from gateway.realtime.dialects.msgpack import body_json

NAMES = st.text("abc")
JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=300),
    lambda inner: (
        st.lists(inner, max_size=20) | st.dictionaries(st.text("abc"), inner, max_size=20)
    ),
    max_leaves=40,
)


def members_in(value: Any) -> int:
    if isinstance(value, dict):
        return len(value) + sum(members_in(inner) for inner in value.values())
    return sum(members_in(inner) for inner in value) if isinstance(value, list) else 0


@given(JSON_VALUES)
def test_what_is_announced_is_what_is_there(value: Any) -> None:
    raw = msgspec.msgpack.encode(value)
    assert announced_members(raw) == members_in(value)
    if value is not None:
        assert msgspec.json.decode(body_json(raw)) == value


@pytest.mark.parametrize("size", [16, 300, 70_000])
def test_long_ones_are_counted_too(size: int) -> None:
    many = {str(number): [number] * 20 for number in range(size)}
    for value in (many, [many, many], ["x" * size, many]):
        assert announced_members(msgspec.msgpack.encode(value)) == members_in(value)


@pytest.mark.parametrize(
    "raw",
    [
        b"\x82\xa1a\x01\xa1a\x02",
        b"\x81\xa1a\x82\xa1b\xc0\xa1b\xc0",
        b"\x91\xde\x00\x02\xa1b\xc0\xd9\x01b\xc0",
    ],
)
def test_a_member_that_stands_twice_is_refused(raw: bytes) -> None:
    with pytest.raises(ParleyError) as refusal:
        body_json(raw)
    assert code_of(refusal.value) == "duplicate_key"
