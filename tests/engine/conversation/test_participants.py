"""Who takes part: one customer whatever it is called, when it first came, and how many."""

import copy
from typing import Any

import pytest

from engine.conversation.access import Viewer, check_visible
from engine.conversation.commands import AddParticipant, RemoveParticipant
from engine.conversation.events import Author, ParticipantAdded, ParticipantRemoved
from engine.conversation.state import ConversationState, seat, view
from engine.conversation.transitions import decide, staff_only
from engine.errors import ConflictError, NotFoundError
from engine.limits import PARTICIPANTS_MAX
from engine.log.event import PUBLIC
from tests.support.conversations import (
    AGENT,
    CONVERSATION,
    CREATED,
    CUSTOMER,
    CUSTOMER_CONTACT,
    ITSELF,
    STAFF,
    done,
    given,
    happen,
    noted,
    post,
    said,
)

BY_TYPE_ID = Author("user", CUSTOMER_CONTACT)
BY_ACCOUNT = Viewer(staff=False, account="acct_1")


def joining(someone: Author) -> AddParticipant:
    contact_id = CUSTOMER_CONTACT if someone.type == "user" else None
    return AddParticipant(viewer=STAFF, participant=someone, contact_id=contact_id)


def leaving(someone: Author) -> RemoveParticipant:
    contact_id = CUSTOMER_CONTACT if someone.type == "user" else None
    return RemoveParticipant(viewer=STAFF, participant=someone, contact_id=contact_id)


def agents(number: int) -> list[Author]:
    return [Author("agent", str(one)) for one in range(number)]


def test_a_seat_is_a_customers_contact_and_staffs_name() -> None:
    assert seat(CUSTOMER, CUSTOMER_CONTACT) == seat(BY_TYPE_ID, CUSTOMER_CONTACT)
    names = {seat(Author(kind, "ada"), None) for kind in ("agent", "bot", "system")}
    assert len(names) == 3


@pytest.mark.parametrize(("one", "other"), [(CUSTOMER, BY_TYPE_ID), (BY_TYPE_ID, CUSTOMER)])
def test_a_customer_is_one_participant_whatever_it_is_called(one: Author, other: Author) -> None:
    state = given(CREATED)
    done(state, joining(one))
    assert decide(state, joining(other)) == ()
    happen(state, [said()])
    assert view(state, staff=True).participants == (one,)
    (removed,) = done(state, leaving(other))
    assert removed == ParticipantRemoved(CONVERSATION, "conv_123", one, CUSTOMER_CONTACT, "public")
    assert view(state, staff=True).participants == ()
    with pytest.raises(NotFoundError):
        decide(state, leaving(one))
    with pytest.raises(NotFoundError):
        check_visible(state, ITSELF)


def test_a_customer_is_counted_once_whatever_it_is_called() -> None:
    crowd = agents(PARTICIPANTS_MAX - 1)
    state = given(CREATED, said(), *(noted(author=author) for author in crowd))
    assert decide(state, joining(BY_TYPE_ID)) == ()
    happen(state, decide(state, post(ITSELF, author=CUSTOMER)))
    assert len(state.present()) == PARTICIPANTS_MAX
    with pytest.raises(ConflictError):
        decide(state, post(STAFF, author=AGENT))


def test_who_is_added_and_who_is_removed_is_public_if_customers_know_of_it() -> None:
    state = given(CREATED, said())
    events: list[Any] = []
    for command in (joining(AGENT), leaving(AGENT), joining(CUSTOMER), leaving(CUSTOMER)):
        events += done(state, command)
    assert [(type(event), event.visibility) for event in events] == [
        (ParticipantAdded, "note"),
        (ParticipantRemoved, "note"),
        (ParticipantRemoved, "public"),
    ]
    happen(state, [said(author=AGENT)])
    spoken = [*done(state, leaving(AGENT)), *done(state, joining(AGENT))]
    assert [staff_only(event) for event in spoken] == [False, False]
    assert [staff_only(event) for event in events] == [True, True, False]


def test_who_comes_back_joined_when_it_first_did() -> None:
    state = given(CREATED, said())
    first = copy.copy(state.participants[CUSTOMER_CONTACT])
    done(state, leaving(CUSTOMER))
    assert state.present() == []
    done(state, joining(BY_TYPE_ID))
    assert state.participants[CUSTOMER_CONTACT] == first
    done(state, leaving(CUSTOMER))
    happen(state, [said()])
    assert state.participants[CUSTOMER_CONTACT] == first


def test_an_account_sees_again_when_the_customer_it_wrote_as_comes_back() -> None:
    state = given(CREATED, said(), actor="acct_1")
    check_visible(state, BY_ACCOUNT)
    done(state, leaving(CUSTOMER))
    with pytest.raises(NotFoundError):
        check_visible(state, BY_ACCOUNT)
    done(state, joining(CUSTOMER))
    check_visible(state, BY_ACCOUNT)
    with pytest.raises(NotFoundError):
        check_visible(state, Viewer(staff=False, account="acct_2"))


def test_a_full_conversation_takes_nobody_new_until_somebody_leaves() -> None:
    crowd = agents(PARTICIPANTS_MAX - 1)
    state = given(CREATED, said(), *(noted(author=author) for author in crowd))
    with pytest.raises(ConflictError):
        decide(state, joining(AGENT))
    assert decide(state, joining(crowd[0])) == ()
    done(state, leaving(crowd[0]))
    assert done(state, joining(AGENT))
    assert len(state.present()) == PARTICIPANTS_MAX
    for command in (joining(crowd[0]), post(STAFF, author=crowd[0])):
        with pytest.raises(ConflictError):
            decide(state, command)


def come_and_go(state: ConversationState, author: Author) -> None:
    done(state, joining(author))
    done(state, leaving(author))


def test_those_who_left_take_no_room_and_only_the_last_of_them_are_remembered() -> None:
    state = given(CREATED, said())
    visitors = agents(2 * PARTICIPANTS_MAX)
    for author in visitors:
        come_and_go(state, author)
    come_and_go(state, visitors[PARTICIPANTS_MAX])
    assert [someone.author for someone in state.present()] == [CUSTOMER]
    gone = [someone.author for someone in state.participants.values() if someone.left]
    assert gone == [*visitors[PARTICIPANTS_MAX + 1 :], visitors[PARTICIPANTS_MAX]]
    for author in visitors[: PARTICIPANTS_MAX - 1]:
        done(state, joining(author))
    assert len(state.present()) == PARTICIPANTS_MAX


def test_a_replay_of_who_came_and_went_knows_the_same() -> None:
    state = given(CREATED, said())
    events = []
    for command in (joining(AGENT), leaving(CUSTOMER), joining(BY_TYPE_ID), leaving(AGENT)):
        events += happen(state, decide(state, command))
    replayed = given(CREATED, said())
    happen(replayed, [event.payload for event in events])
    assert replayed == state
    assert [event.visibility == PUBLIC for event in events] == [False, True, True, False]
