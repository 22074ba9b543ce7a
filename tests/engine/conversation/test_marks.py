"""How far everybody has read: the rules."""

from hypothesis import given
from hypothesis import strategies as st

from engine.conversation.commands import AdvanceMark
from engine.conversation.events import Author, MarksAdvanced
from engine.conversation.marks import KIND, Mark, MarksState, decide, marks_in, staff_only, subject
from engine.feature import encode
from engine.limits import PARTICIPANTS_MAX
from engine.log.event import PUBLIC, STAFF_ONLY, Event
from persistence.records import Stream
from tests.support.conversations import AGENT, CONVERSATION, CUSTOMER, CUSTOMER_CONTACT

READERS = (AGENT, CUSTOMER, Author("user", "ada"), Author("bot", "b"))


def empty() -> MarksState:
    state: MarksState = KIND.initial(CONVERSATION)
    return state


def reading(version: int, reader: Author = CUSTOMER) -> AdvanceMark:
    contact_id = CUSTOMER_CONTACT if reader == CUSTOMER else None
    return AdvanceMark(reader, contact_id, version)


def done(state: MarksState, command: AdvanceMark) -> int:
    """Bring ``state`` behind ``command``; return how many events it made."""
    payloads = decide(state, command)
    for payload in payloads:
        event = Event(
            stream=Stream("marks", CONVERSATION),
            version=state.version + 1,
            uuid=(state.version + 1).to_bytes(16),
            type=payload.type_name,
            schema=payload.schema,
            time_ms=1_000 * (state.version + 1),
            visibility=STAFF_ONLY if KIND.staff_only(payload) else PUBLIC,
            previous_public=state.last_public_version,
            actor="key_1",
            subject=KIND.subject(state, payload),
            data=encode(payload),
            payload=payload,
        )
        KIND.advance(state, event)
    return len(payloads)


def test_a_mark_moves_on_and_never_back() -> None:
    state = empty()
    assert [done(state, reading(version)) for version in (3, 3, 1, 0, 4)] == [1, 0, 0, 0, 1]
    assert marks_in(state) == (Mark(CONVERSATION, CUSTOMER, 4, 2_000),)


def test_a_mark_says_whose_it_is_and_how_far() -> None:
    assert decide(empty(), reading(3)) == (
        MarksAdvanced(CONVERSATION, CUSTOMER, CUSTOMER_CONTACT, 3),
    )


def test_a_mark_is_sealed_with_its_readers_own_key() -> None:
    state = empty()
    (customers,) = decide(state, reading(3))
    (agents,) = decide(state, reading(3, AGENT))
    assert (subject(state, customers), subject(state, agents)) == (CUSTOMER_CONTACT, CONVERSATION)


def test_what_staff_reads_is_staffs() -> None:
    hidden = {
        reader: staff_only(payload)
        for reader in READERS
        for payload in decide(empty(), reading(1, reader))
    }
    assert hidden == {reader: reader.type != "user" for reader in READERS}


def test_beyond_so_many_marks_the_reader_that_was_silent_longest_is_let_go() -> None:
    state, crowd = empty(), [Author("agent", str(number)) for number in range(PARTICIPANTS_MAX)]
    for reader in crowd:
        assert done(state, reading(1, reader)) == 1
    assert done(state, reading(2, crowd[0])) == 1
    assert done(state, reading(1)) == 1
    readers = [mark.reader for mark in marks_in(state)]
    assert readers == [*crowd[2:], crowd[0], CUSTOMER]
    assert len(readers) == PARTICIPANTS_MAX
    assert done(state, reading(1, crowd[1])) == 1
    assert crowd[2] not in {mark.reader for mark in marks_in(state)}


def test_a_mark_is_shown_no_further_than_where_the_conversation_ends() -> None:
    mark = Mark(CONVERSATION, AGENT, 7, 1_000)
    assert [mark.up_to(version).version for version in (9, 7, 3)] == [7, 7, 3]
    assert (mark.up_to(3).reader, mark.up_to(3).time_ms) == (AGENT, 1_000)


@given(st.lists(st.tuples(st.sampled_from(READERS), st.integers(0, 9)), max_size=40))
def test_every_reader_has_the_highest_of_its_own_marks(told: list[tuple[Author, int]]) -> None:
    state, expected, events = empty(), dict[Author, int](), 0
    for reader, version in told:
        moves = version > expected.get(reader, -1)
        assert done(state, reading(version, reader)) == int(moves)
        events += moves
        expected[reader] = max(version, expected.get(reader, version))
        assert decide(state, reading(version, reader)) == ()
    assert {mark.reader: mark.version for mark in marks_in(state)} == expected
    assert state.version == events
