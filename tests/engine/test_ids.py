"""TypeIDs, and the ids of a client's own."""

import uuid

import pytest
import uuid_utils
from hypothesis import given
from hypothesis import strategies as st
from typeid import TypeID
from typeid.errors import TypeIDException

from engine import ids
from engine.errors import ForbiddenCharacterError, NotFoundError
from engine.limits import EXTERNAL_ID_CHARACTERS_MAX

IDS = ids.ExternalIds(bytes(32))
OTHER = ids.ExternalIds(bytes(31) + b"\1")
PRINTABLE = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)


@given(PRINTABLE)
def test_one_name_is_always_one_id(name: str) -> None:
    first, external_id = IDS.resolve(ids.CONVERSATION, name)
    again, _ = ids.ExternalIds(bytes(32)).resolve(ids.CONVERSATION, name)
    assert (again, external_id) == (first, name)
    assert ids.uuid_of(ids.CONVERSATION, first) is not None


@given(PRINTABLE)
def test_another_environment_or_another_kind_is_another_id(name: str) -> None:
    first, _ = IDS.resolve(ids.CONVERSATION, name)
    assert OTHER.resolve(ids.CONVERSATION, name)[0] != first
    user, _ = IDS.resolve(ids.USER, name)
    assert ids.uuid_of(ids.USER, user) != ids.uuid_of(ids.CONVERSATION, first)


@given(PRINTABLE, PRINTABLE)
def test_two_names_are_two_ids(one: str, other: str) -> None:
    same = IDS.resolve(ids.USER, one)[0] == IDS.resolve(ids.USER, other)[0]
    assert same == (one == other)


def test_an_id_of_ours_stays_itself() -> None:
    ours = ids.type_id(ids.CONVERSATION, ids.new_uuid())
    assert IDS.resolve(ids.CONVERSATION, ours) == (ours, None)
    resolved, _ = IDS.resolve(ids.CONVERSATION, "conv_123")
    assert IDS.resolve(ids.CONVERSATION, resolved) == (resolved, None)


@pytest.mark.parametrize(
    "text",
    ["conv_123", "conv_" + "z" * 26, "conv_" + "0" * 25, "CONV_" + "0" * 26, "usr_" + "0" * 26],
)
def test_what_is_no_id_of_ours_is_a_clients_own(text: str) -> None:
    assert ids.uuid_of(ids.CONVERSATION, text) is None
    resolved, external_id = IDS.resolve(ids.CONVERSATION, text)
    assert external_id == text
    assert resolved != text


@given(st.binary(min_size=16, max_size=16))
def test_an_id_carries_its_uuid(raw: bytes) -> None:
    text = ids.type_id(ids.EVENT, raw)
    assert ids.uuid_of(ids.EVENT, text) == raw
    assert ids.uuid_of(ids.MESSAGE, text) is None


DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
NO_DIGITS = "ilouAZ-_+ \0\u0661\uff11\U0001d7ce\ud800"


@st.composite
def nearly_ids(draw: st.DrawFn) -> str:
    """Return a text that is an id, or would be one but for its prefix, length or one character."""
    prefix = draw(st.sampled_from(["conv_", "conv_", "conv_", "conv", "con_", "CONV_", "conv__"]))
    digits = draw(st.sampled_from("012345678z")) + draw(st.text(DIGITS, min_size=24, max_size=26))
    if draw(st.booleans()):
        at = draw(st.integers(0, len(digits) - 1))
        digits = digits[:at] + draw(st.sampled_from(NO_DIGITS)) + digits[at + 1 :]
    return prefix + digits


@given(st.binary(min_size=16, max_size=16))
def test_an_id_is_written_as_the_specifications_own_library_has_it(raw: bytes) -> None:
    known = TypeID.from_uuid(uuid_utils.UUID(bytes=raw), prefix=ids.EVENT)
    assert ids.type_id(ids.EVENT, raw) == str(known)


@given(nearly_ids())
def test_an_id_is_read_as_the_specifications_own_library_has_it(text: str) -> None:
    try:
        known = TypeID.from_string(text)
    except TypeIDException:
        assert ids.uuid_of(ids.CONVERSATION, text) is None
    else:
        expected = known.uuid.bytes if known.prefix == ids.CONVERSATION else None
        assert ids.uuid_of(ids.CONVERSATION, text) == expected


def test_hashed_ids_are_marked_as_such() -> None:
    for name in ("conv_1", "conv_2", "conv_3"):
        resolved, _ = IDS.resolve(ids.CONVERSATION, name)
        raw = ids.uuid_of(ids.CONVERSATION, resolved)
        assert raw is not None
        parsed = uuid.UUID(bytes=raw)
        assert (parsed.version, parsed.variant) == (8, uuid.RFC_4122)
    assert uuid.UUID(bytes=ids.new_uuid()).version == 7


@pytest.mark.parametrize("text", ["", "x" * (EXTERNAL_ID_CHARACTERS_MAX + 1)])
def test_nothing_has_an_empty_id_or_an_endless_one(text: str) -> None:
    with pytest.raises(NotFoundError):
        IDS.resolve(ids.CONVERSATION, text)


@pytest.mark.parametrize("text", ["a\0b", "a\nb", "\x7f", "\u200b", "\u202e", "\ud800"])
def test_an_id_has_printable_characters_only(text: str) -> None:
    with pytest.raises(ForbiddenCharacterError):
        IDS.resolve(ids.CONVERSATION, text)


def test_the_longest_id_is_taken() -> None:
    text = "x" * EXTERNAL_ID_CHARACTERS_MAX
    assert IDS.resolve(ids.CONVERSATION, text)[1] == text
