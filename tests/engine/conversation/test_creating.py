"""Conversations that are made before anything is said, and those that open again."""

import pytest

from engine.conversation.commands import Changes, CreateConversation
from engine.conversation.events import (
    Author,
    ConversationAssigned,
    ConversationClosed,
    ConversationCreated,
    ConversationReopened,
    ConversationTagged,
    MessageCreated,
    ParticipantAdded,
)
from engine.conversation.state import view
from engine.conversation.transitions import decide
from engine.errors import ConflictError
from tests.support.conversations import (
    AGENT,
    CONVERSATION,
    CREATED,
    CUSTOMER,
    CUSTOMER_CONTACT,
    ITSELF,
    STAFF,
    changing,
    done,
    given,
    post,
    said,
)


def making(requester: Author | None = None, changes: Changes | None = None) -> CreateConversation:
    return CreateConversation(
        viewer=STAFF,
        external_id="conv_900",
        requester=requester,
        contact_id=CUSTOMER_CONTACT if requester else None,
        changes=changes or Changes(),
    )


def test_a_conversation_is_made_with_its_requester_in_it() -> None:
    state = given()
    assert done(state, making(CUSTOMER)) == (
        ConversationCreated(CONVERSATION, "conv_900", CUSTOMER, CUSTOMER_CONTACT),
        ParticipantAdded(CONVERSATION, "conv_900", CUSTOMER, CUSTOMER_CONTACT, "public"),
    )
    seen = view(state, staff=False)
    assert (seen.requester, seen.participants, seen.version) == (CUSTOMER, (CUSTOMER,), 2)
    assert (seen.external_id, seen.status) == ("conv_900", "open")


def test_a_conversation_without_a_requester_has_nobody_in_it() -> None:
    state = given()
    assert done(state, making()) == (ConversationCreated(CONVERSATION, "conv_900", None, None),)
    assert state.participants == {}


def test_fields_are_set_behind_the_creation_and_name_the_new_conversation() -> None:
    state = given()
    made = done(state, making(CUSTOMER, Changes(status="closed", assignee=AGENT, tags=("b", "a"))))
    assert [type(payload) for payload in made] == [
        ConversationCreated,
        ParticipantAdded,
        ConversationAssigned,
        ConversationTagged,
        ConversationClosed,
    ]
    assert {getattr(payload, "external_id", "conv_900") for payload in made} == {"conv_900"}
    seen = view(state, staff=True)
    assert (seen.status, seen.assignee, seen.tags) == ("closed", AGENT, ("a", "b"))


def test_what_a_new_conversation_has_anyway_makes_no_event() -> None:
    plain = Changes(status="open", assignee=None, priority="normal", channel=None, tags=())
    assert len(decide(given(), making(changes=plain))) == 1


def test_a_conversation_that_exists_is_not_made_again() -> None:
    for state in (given(CREATED), given(CREATED, said())):
        with pytest.raises(ConflictError) as refused:
            decide(state, making(CUSTOMER))
        assert refused.value.members == {"conversation_id": CONVERSATION}


def test_a_customers_word_opens_a_closed_conversation_and_staffs_does_not() -> None:
    state = given(CREATED, said())
    done(state, changing(Changes(status="closed")))
    for command in (
        post(STAFF),
        post(STAFF, visibility="note"),
        post(STAFF, author=Author("bot", "b")),
        post(STAFF, author=CUSTOMER, visibility="note"),
    ):
        assert [type(payload) for payload in decide(state, command)] == [MessageCreated]
    payloads = done(state, post(ITSELF, author=CUSTOMER))
    assert [type(payload) for payload in payloads] == [ConversationReopened, MessageCreated]
    assert state.status == "open"
    assert len(decide(state, post(ITSELF, author=CUSTOMER))) == 1
