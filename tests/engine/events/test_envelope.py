"""The published form of an event: its times, and what stands around its data."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import ids
from engine.events.envelope import render, rfc3339, rfc3339_seconds
from engine.log.event import CUSTOMER, STAFF, Event
from persistence.records import Stream
from tests.support.tallies import CATALOGUE

YEAR_9999_MS = 253_402_300_799_999
UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UUID = bytes.fromhex("019dbd0d1f027a8e9f2b3c4d5e6f7081")
TEXT = st.text(max_size=20)


@given(st.integers(0, YEAR_9999_MS))
def test_a_time_is_written_as_datetime_has_it(time_ms: int) -> None:
    moment = UNIX_EPOCH + timedelta(milliseconds=time_ms)
    written = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert rfc3339(time_ms) == rfc3339(time_ms) == written
    seconds = moment.isoformat(timespec="seconds").replace("+00:00", "Z")
    assert rfc3339_seconds(time_ms // 1000) == seconds


@given(
    st.builds(
        Event,
        stream=st.builds(Stream, st.sampled_from(["conversation", "tally"]), TEXT),
        version=st.integers(1, 2**53),
        uuid=st.just(UUID),
        type=st.just("tally.counted"),
        schema=st.integers(1, 9),
        time_ms=st.integers(0, YEAR_9999_MS),
        visibility=st.integers(0, 1),
        previous_public=st.integers(0, 2**53),
        actor=TEXT,
        subject=TEXT,
        data=st.dictionaries(TEXT, TEXT).map(msgspec.json.encode),
        catalogue=st.just(CATALOGUE),
        causation_id=st.none() | st.binary(min_size=16, max_size=16),
        traceparent=st.none() | TEXT,
    )
)
def test_what_is_published_says_all_of_the_event(event: Event) -> None:
    written = msgspec.json.decode(render(event, audience=STAFF, cursor="cur_1"))
    event_id = ids.type_id(ids.EVENT, UUID)
    causation_id = written.pop("causation_id")
    assert causation_id is None or msgspec.convert(causation_id, bytes) == event.causation_id
    assert (causation_id is None) == (event.causation_id is None)
    assert list(written.items()) == [
        ("type", "tally.counted"),
        ("id", event_id),
        ("data", msgspec.json.decode(event.data)),
        ("time", rfc3339(event.time_ms)),
        ("conversation", event.stream.name if event.stream.kind == "conversation" else None),
        ("version", event.version),
        ("previous", event.version - 1),
        ("cursor", "cur_1"),
        ("schema", event.schema),
        ("actor", event.actor),
        ("idempotency_key", event_id),
        ("traceparent", event.traceparent),
    ]


@pytest.mark.parametrize(("audience", "previous"), [(STAFF, 6), (CUSTOMER, 3)])
def test_the_previous_version_is_the_audiences(audience: str, previous: int) -> None:
    event = Event(
        stream=Stream("tally", "a"),
        version=7,
        uuid=UUID,
        type="tally.counted",
        schema=1,
        time_ms=0,
        visibility=0,
        previous_public=3,
        actor="key_1",
        subject="a",
        data=b'{"text":"a","subject":"a"}',
        catalogue=CATALOGUE,
    )
    written = msgspec.json.decode(render(event, audience=audience, cursor="cur_1"))
    assert written["previous"] == previous
