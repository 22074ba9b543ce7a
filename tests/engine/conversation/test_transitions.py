"""What a message does to a conversation, and what it is refused for."""

import copy

import pytest
from msgspec import structs

from engine.conversation.events import Author, ConversationCreated, MessageCreated
from engine.conversation.state import view
from engine.conversation.transitions import decide, staff_only, subject
from engine.errors import (
    BadParentError,
    BadVersionError,
    ConflictError,
    NotFoundError,
    VersionConflictError,
)
from engine.limits import PARTICIPANTS_MAX
from tests.support.conversations import (
    AGENT,
    CONVERSATION,
    CREATED,
    CUSTOMER,
    CUSTOMER_CONTACT,
    ITSELF,
    STAFF,
    answering,
    done,
    given,
    happen,
    noted,
    post,
    said,
)


def test_the_first_message_makes_the_conversation() -> None:
    state = given()
    created, message = done(state, post(ITSELF, author=CUSTOMER, create_as="conv_123"))
    assert created == CREATED
    assert isinstance(message, MessageCreated)
    assert (message.conversation_id, message.conversation_external_id) == (CONVERSATION, "conv_123")
    assert (message.author, message.contact_id) == (CUSTOMER, CUSTOMER_CONTACT)
    assert (state.version, state.created, state.external_id) == (2, True, "conv_123")


def test_the_second_message_makes_nothing_but_itself() -> None:
    state = given(CREATED, said())
    (message,) = decide(state, post(ITSELF, author=CUSTOMER, create_as="conv_123"))
    assert isinstance(message, MessageCreated)


def test_an_id_of_ours_that_does_not_exist_is_not_found() -> None:
    for viewer in (STAFF, ITSELF):
        with pytest.raises(NotFoundError):
            decide(given(), post(viewer))


def test_staff_that_begins_a_conversation_is_no_requester() -> None:
    created, _ = decide(given(), post(STAFF, create_as="conv_9"))
    assert isinstance(created, ConversationCreated)
    assert (created.requester, created.requester_contact_id) == (None, None)


def test_deciding_changes_nothing() -> None:
    state = given(CREATED, said(), noted())
    before = copy.deepcopy(state)
    decide(state, post(STAFF))
    with pytest.raises(VersionConflictError):
        decide(state, post(STAFF, if_match=1))
    assert state == before


def test_versions_are_dense_and_notes_do_not_move_the_public_one() -> None:
    state = given()
    events = happen(state, [CREATED, said(), noted(), noted(), said()])
    assert [event.version for event in events] == [1, 2, 3, 4, 5]
    assert [event.previous("staff") for event in events] == [0, 1, 2, 3, 4]
    seen = [event for event in events if event.seen_by("customer")]
    assert [(event.version, event.previous("customer")) for event in seen] == [
        (1, 0),
        (2, 1),
        (5, 2),
    ]
    assert (state.version, state.last_public_version) == (5, 5)


def test_a_note_is_for_staff_only() -> None:
    assert staff_only(noted())
    assert not staff_only(said())
    assert not staff_only(CREATED)


@pytest.mark.parametrize(("viewer", "current"), [(STAFF, 3), (ITSELF, 2)])
@pytest.mark.parametrize("if_match", range(5))
def test_if_match_wants_the_very_version_that_is_seen(
    viewer: object, current: int, if_match: int
) -> None:
    state = given(CREATED, said(), noted())
    command = post(STAFF if viewer is STAFF else ITSELF, author=CUSTOMER, if_match=if_match)
    if if_match == current:
        assert len(decide(state, command)) == 1
        return
    with pytest.raises(VersionConflictError) as refused:
        decide(state, command)
    assert (refused.value.seen, refused.value.current) == (if_match, current)
    assert refused.value.members == {"current_version": current}


def test_a_note_since_the_expected_version_is_new_to_staff_alone() -> None:
    state = given(CREATED, said(), noted())
    assert decide(state, post(ITSELF, author=CUSTOMER, expected_version=2))
    with pytest.raises(VersionConflictError):
        decide(state, post(STAFF, expected_version=2))


def test_a_public_word_since_the_expected_version_is_new_to_everybody() -> None:
    state = given(CREATED, said(), said("And?"))
    for viewer in (STAFF, ITSELF):
        with pytest.raises(VersionConflictError) as refused:
            decide(state, post(viewer, author=CUSTOMER, expected_version=2))
        assert (refused.value.seen, refused.value.current) == (2, 3)


def test_who_expects_the_newest_version_it_may_see_is_served() -> None:
    state = given(CREATED, said(), noted())
    assert decide(state, post(STAFF, expected_version=3))
    assert decide(state, post(ITSELF, author=CUSTOMER, expected_version=2))


def test_a_customer_finds_no_notes_by_guessing_versions() -> None:
    told = []
    for state in (given(CREATED, said(), noted()), given(CREATED, said())):
        with pytest.raises(BadVersionError) as refused:
            decide(state, post(ITSELF, author=CUSTOMER, expected_version=3))
        told.append((refused.value.detail, refused.value.members))
    assert told[0] == told[1]


def test_a_version_that_was_never_reached_is_bad() -> None:
    for viewer in (STAFF, ITSELF):
        with pytest.raises(BadVersionError):
            decide(given(CREATED, said()), post(viewer, author=CUSTOMER, expected_version=3))
    with pytest.raises(BadVersionError):
        decide(given(), post(ITSELF, author=CUSTOMER, create_as="conv_1", expected_version=1))


def test_a_new_conversation_is_at_version_0() -> None:
    first = post(ITSELF, author=CUSTOMER, create_as="conv_1")
    assert len(decide(given(), structs.replace(first, expected_version=0))) == 2
    assert len(decide(given(), structs.replace(first, if_match=0))) == 2


def test_a_hidden_conversation_says_nothing_of_its_version() -> None:
    stranger = given(CREATED, said(author=AGENT))
    with pytest.raises(NotFoundError):
        decide(stranger, post(ITSELF, author=CUSTOMER, if_match=7, expected_version=99))


def test_a_public_message_never_answers_a_note() -> None:
    state = given(CREATED, said(), noted())
    with pytest.raises(BadParentError):
        decide(state, answering(post(STAFF), note=True))
    (note,) = decide(state, answering(post(STAFF, visibility="note"), note=True))
    assert isinstance(note, MessageCreated)
    assert note.parent_id == "msg_parent"
    assert decide(state, answering(post(STAFF, visibility="note"), note=False))
    assert decide(state, answering(post(STAFF), note=False))


def test_a_full_conversation_takes_nobody_new_but_hears_who_is_there() -> None:
    crowd = [Author("agent", str(number)) for number in range(PARTICIPANTS_MAX - 1)]
    state = given(CREATED, said(), *(said(author=author) for author in crowd))
    with pytest.raises(ConflictError):
        decide(state, post(STAFF, author=Author("agent", "late")))
    assert decide(state, post(STAFF, author=crowd[0]))
    assert decide(state, post(ITSELF, author=CUSTOMER))


def test_an_agent_and_a_user_of_one_id_are_two_participants() -> None:
    state = given(CREATED, said(), said(author=Author("agent", CUSTOMER.id)))
    assert len(state.participants) == 2


def test_words_are_sealed_with_the_key_of_whom_they_are_about() -> None:
    other = structs.replace(said(author=Author("user", "usr_46")), contact_id="usr_other")
    with_requester, without = given(CREATED), given()
    assert subject(with_requester, CREATED) == CUSTOMER_CONTACT
    assert subject(with_requester, said()) == CUSTOMER_CONTACT
    assert subject(with_requester, other) == "usr_other"
    assert subject(with_requester, said(author=AGENT)) == CUSTOMER_CONTACT
    assert subject(with_requester, noted()) == CUSTOMER_CONTACT
    assert subject(without, said(author=AGENT)) == CONVERSATION
    assert subject(without, ConversationCreated(CONVERSATION, None, None, None)) == CONVERSATION


def test_customers_learn_nothing_of_notes_from_the_view() -> None:
    state = given(CREATED, said(), noted())
    for_customer, for_staff = view(state, staff=False), view(state, staff=True)
    assert for_customer.participants == (CUSTOMER,)
    assert for_staff.participants == (CUSTOMER, AGENT)
    assert (for_customer.version, for_staff.version) == (2, 3)
    assert (for_customer.updated_ms, for_staff.updated_ms) == (2_000, 3_000)
    assert for_customer.created_ms == for_staff.created_ms == 1_000


def test_an_agent_is_known_to_customers_once_it_speaks_up() -> None:
    state = given(CREATED, said(), noted(), said(author=AGENT))
    assert view(state, staff=False).participants == (CUSTOMER, AGENT)
    happen(state, [noted()])
    assert view(state, staff=False).participants == (CUSTOMER, AGENT)
