"""Records: what goes in comes out, and nothing opens in another's place."""

from dataclasses import dataclass

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine import crypto
from engine.crypto import UnsealError
from engine.log import codec
from engine.log.codec import UnknownFormatError
from engine.log.event import Event
from persistence.records import StoredRecord
from tests.support.tallies import CATALOGUE, event, tally

KEY = bytes(range(32))
HERE = "acme/live"
FIELDS = (
    "stream",
    "version",
    "position",
    "uuid",
    "type",
    "schema",
    "time_ms",
    "visibility",
    "previous_public",
    "actor",
    "subject",
    "data",
    "command_key",
    "fingerprint",
    "causation_id",
    "traceparent",
    "about",
    "outdated",
)

TEXT = st.text(max_size=20)
OPTIONAL_BYTES = st.none() | st.binary(max_size=20)
EVENTS = st.builds(
    Event,
    stream=st.just(tally()),
    version=st.integers(1, 2**40),
    position=st.integers(1, 2**40),
    uuid=st.binary(min_size=16, max_size=16),
    type=TEXT,
    schema=st.integers(1, 99),
    time_ms=st.integers(0, 2**52),
    visibility=st.integers(0, 1),
    previous_public=st.integers(0, 2**40),
    actor=TEXT,
    subject=TEXT.filter(lambda text: "#" not in text),
    data=st.binary(max_size=200),
    command_key=OPTIONAL_BYTES,
    fingerprint=OPTIONAL_BYTES,
    causation_id=OPTIONAL_BYTES,
    traceparent=st.none() | TEXT,
    about=OPTIONAL_BYTES,
    outdated=st.booleans(),
)


@dataclass(frozen=True)
class Place:
    key: bytes = KEY
    environment: str = HERE


def stored(happened: Event, body: bytes | None = None) -> StoredRecord:
    if body is None:
        body = codec.to_body(happened, key=KEY, name=happened.subject, bound=codec.bound_to(HERE))
    return StoredRecord(
        happened.position,
        happened.stream,
        happened.version,
        happened.uuid,
        body,
        outdated=happened.outdated,
    )


def opened(record: StoredRecord, place: Place = Place()) -> Event:
    head = codec.head_of(record)
    bound = codec.bound_to(place.environment)
    return codec.to_event(record, head, key=place.key, bound=bound, catalogue=CATALOGUE)


@given(EVENTS)
def test_what_goes_in_comes_out(happened: Event) -> None:
    found = opened(stored(happened))
    assert {name: getattr(found, name) for name in FIELDS} == {
        name: getattr(happened, name) for name in FIELDS
    }


def test_the_payload_comes_out_typed() -> None:
    assert opened(stored(event(7))).payload == event(7).payload


def test_the_data_is_nowhere_to_be_read() -> None:
    record = stored(event(7))
    assert b"somebody" in record.body, "the subject stands in the open part"
    assert b'"text"' not in record.body


CUSTOMERS = ("usr_45", "jane@example.com", "key_", "key_1", "key_jane.doe@example.company12", "sys")
OURS = ("key_01kapddvqjf8v8v1jt4zx8z7g0", "system", "")


def acted(actor: str) -> Event:
    happened = event(1)
    happened.actor, happened.fingerprint = actor, b"hash of the body"
    return happened


@pytest.mark.parametrize("actor", CUSTOMERS)
def test_who_acted_is_sealed_if_it_may_be_a_person(actor: str) -> None:
    record = stored(acted(actor))
    assert codec.head_of(record).actor == ""
    assert opened(record).actor == actor


@pytest.mark.parametrize("actor", OURS)
def test_the_id_of_a_key_is_nobodys_and_stands_in_the_open(actor: str) -> None:
    record = stored(acted(actor))
    assert codec.head_of(record).actor == actor
    assert opened(record).actor == actor


def test_the_hash_of_what_was_asked_for_is_sealed() -> None:
    record = stored(acted("usr_45"))
    assert b"hash of the body" not in record.body
    assert opened(record).fingerprint == b"hash of the body"


def test_a_record_of_the_first_format_is_read() -> None:
    happened = acted("usr_45")
    place = HERE.encode() + b"\0" + happened.uuid
    head = replace(
        codec.head_of(stored(happened)),
        format=1,
        actor="usr_45",
        fingerprint=b"hash of the body",
        sealed=crypto.seal(KEY, happened.data, place),
    )
    found = opened(stored(happened, msgspec.msgpack.encode(head)))
    assert {name: getattr(found, name) for name in FIELDS} == {
        name: getattr(happened, name) for name in FIELDS
    }


def test_rows_that_are_swapped_do_not_open() -> None:
    one, other = stored(event(1)), stored(event(1))
    for record in (replace(one, body=other.body), replace(one, event_id=other.event_id)):
        with pytest.raises(UnsealError):
            opened(record)


def test_a_row_opens_with_its_own_key_in_its_own_environment_only() -> None:
    record = stored(event(1))
    assert opened(record).version == 1
    for place in (Place(key=bytes(32)), Place(environment="acme/test"), Place(environment="")):
        with pytest.raises(UnsealError):
            opened(record, place)


def test_no_changed_byte_of_the_sealed_part_opens() -> None:
    record = stored(event(1))
    sealed = codec.head_of(record).sealed
    start = record.body.index(sealed)
    for at in range(start, start + len(sealed)):
        body = bytearray(record.body)
        body[at] ^= 1
        with pytest.raises(UnsealError):
            opened(replace(record, body=bytes(body)))


@pytest.mark.parametrize("length", range(24 + 16))
def test_a_sealed_part_that_is_cut_short_does_not_open(length: int) -> None:
    with pytest.raises(UnsealError):
        crypto.unseal(KEY, crypto.seal(KEY, b"text", b"here")[:length], b"here")


@pytest.mark.parametrize("number", [0, 3, 255])
def test_another_format_is_refused_by_name(number: int) -> None:
    record = stored(event(1))
    fields = msgspec.msgpack.decode(record.body)
    body = msgspec.msgpack.encode([number, *fields[1:]])
    with pytest.raises(UnknownFormatError, match=str(number)):
        codec.head_of(replace(record, body=body))


@pytest.mark.parametrize("body", [b"", b"\x01", b"{}", b"\x91\x01", b"\xc1", b"text", b"\x80"])
def test_what_is_no_record_is_refused(body: bytes) -> None:
    with pytest.raises(UnknownFormatError):
        codec.head_of(stored(event(1), body))


def test_fields_of_a_later_version_are_left_alone() -> None:
    record = stored(event(1))
    body = msgspec.msgpack.encode([*msgspec.msgpack.decode(record.body), "later", 3])
    assert opened(replace(record, body=body)).version == 1


def test_two_seals_of_one_text_are_not_alike() -> None:
    happened = event(1)
    assert stored(happened).body != stored(happened).body
