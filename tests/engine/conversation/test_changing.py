"""What staff may set on a conversation, who takes part, and which events that makes."""

import copy

import pytest

from engine.conversation.access import check_visible
from engine.conversation.changing import check_may_sort
from engine.conversation.commands import AddParticipant, Changes, RemoveParticipant
from engine.conversation.events import (
    Author,
    ConversationAssigned,
    ConversationClosed,
    ConversationReopened,
    ConversationTagged,
    ConversationUnassigned,
    ConversationUpdated,
    ParticipantAdded,
    ParticipantRemoved,
)
from engine.conversation.state import view
from engine.conversation.transitions import decide, staff_only, subject
from engine.errors import (
    BadVersionError,
    ForbiddenError,
    NotFoundError,
    OutOfRangeError,
    ParleyError,
    VersionConflictError,
)
from engine.limits import ATTRIBUTES_BYTES_MAX
from tests.engine.conversation.test_access import STAFF_KEY, principal
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
    noted,
    said,
)

BOB = Author("agent", "bob")
EVERYTHING = Changes(
    status="closed",
    assignee=AGENT,
    priority="high",
    channel="email",
    tags=("refund", "delivery"),
    attributes={"order": 1042},
)


def contact_of(someone: Author) -> str | None:
    if someone == CUSTOMER:
        return CUSTOMER_CONTACT
    return f"contact of {someone.id}" if someone.type == "user" else None


def joining(someone: Author, **expectation: int) -> AddParticipant:
    contact_id = contact_of(someone)
    return AddParticipant(viewer=STAFF, participant=someone, contact_id=contact_id, **expectation)


def leaving(someone: Author, **expectation: int) -> RemoveParticipant:
    contact_id = contact_of(someone)
    return RemoveParticipant(
        viewer=STAFF, participant=someone, contact_id=contact_id, **expectation
    )


def test_each_field_makes_the_event_of_its_kind_and_the_status_comes_last() -> None:
    state = given(CREATED, said())
    assert decide(state, changing(EVERYTHING)) == (
        ConversationAssigned(CONVERSATION, "conv_123", AGENT, None),
        ConversationTagged(
            CONVERSATION, "conv_123", ("delivery", "refund"), ("delivery", "refund"), ()
        ),
        ConversationUpdated(
            CONVERSATION,
            "conv_123",
            {"priority": "high", "channel": "email", "attributes": {"order": 1042}},
            {"priority": "normal", "channel": None, "attributes": {"order": None}},
        ),
        ConversationClosed(CONVERSATION, "conv_123"),
    )


def test_what_is_so_already_is_no_news() -> None:
    state = given(CREATED, said())
    done(state, changing(EVERYTHING))
    assert decide(state, changing(EVERYTHING)) == ()
    assert decide(state, changing(Changes())) == ()
    assert decide(state, changing(Changes(tags=("refund", "delivery", "refund")))) == ()
    assert decide(state, changing(Changes(attributes={"unknown": None}))) == ()
    assert decide(given(CREATED), changing(Changes(assignee=None, status="open"))) == ()


def test_an_event_says_what_was_before() -> None:
    state = given(CREATED, said())
    done(state, changing(EVERYTHING))
    other = Changes(
        status="open", assignee=BOB, priority="low", tags=("refund", "vip"), attributes={"order": 7}
    )
    assert decide(state, changing(other)) == (
        ConversationAssigned(CONVERSATION, "conv_123", BOB, AGENT),
        ConversationTagged(CONVERSATION, "conv_123", ("refund", "vip"), ("vip",), ("delivery",)),
        ConversationUpdated(
            CONVERSATION,
            "conv_123",
            {"priority": "low", "attributes": {"order": 7}},
            {"priority": "high", "attributes": {"order": 1042}},
        ),
        ConversationReopened(CONVERSATION, "conv_123"),
    )
    assert decide(state, changing(Changes(assignee=None))) == (
        ConversationUnassigned(CONVERSATION, "conv_123", AGENT),
    )


def test_only_the_attributes_that_change_stand_in_the_event() -> None:
    state = given(CREATED, said())
    done(state, changing(Changes(attributes={"a": 1, "b": 2, "c": 3})))
    (event,) = done(state, changing(Changes(attributes={"a": 1, "b": None, "c": 4, "d": None})))
    assert isinstance(event, ConversationUpdated)
    assert event.changes == {"attributes": {"b": None, "c": 4}}
    assert event.previous == {"attributes": {"b": 2, "c": 3}}
    assert state.attributes == {"a": 1, "c": 4}


def test_a_name_that_was_removed_takes_up_no_room() -> None:
    state = given(CREATED, said())
    for number in range(200):
        done(state, changing(Changes(attributes={f"name {number}": "x" * 100})))
        done(state, changing(Changes(attributes={f"name {number}": None})))
    assert state.attributes == {}


def test_attributes_have_room_to_the_byte_and_shrinking_is_always_allowed() -> None:
    state = given(CREATED, said())
    frame = len('{"a":""}')
    full = ATTRIBUTES_BYTES_MAX - frame
    with pytest.raises(OutOfRangeError):
        decide(state, changing(Changes(attributes={"a": "x" * (full + 1)})))
    done(state, changing(Changes(attributes={"a": "x" * full})))
    with pytest.raises(OutOfRangeError):
        decide(state, changing(Changes(attributes={"b": 1})))
    assert decide(state, changing(Changes(attributes={"a": None, "b": 1})))


def test_customers_change_nothing_and_learn_nothing_by_trying() -> None:
    state = given(CREATED, said())
    before = copy.deepcopy(state)
    tries = (
        changing(Changes(status="closed"), ITSELF, if_match=99),
        AddParticipant(viewer=ITSELF, participant=AGENT, contact_id=None),
        RemoveParticipant(viewer=ITSELF, participant=CUSTOMER, contact_id=CUSTOMER_CONTACT),
    )
    for command in tries:
        with pytest.raises(ForbiddenError):
            decide(state, command)
    hidden = given(CREATED, said(author=AGENT))
    for command in tries:
        with pytest.raises(NotFoundError):
            decide(hidden, command)
        with pytest.raises(NotFoundError):
            decide(given(), command)
    assert state == before


def test_a_customer_sets_no_field_of_a_conversation_it_makes() -> None:
    customer = principal("usr_45")
    check_may_sort(customer, Changes())
    check_may_sort(STAFF_KEY, EVERYTHING)
    for changes in (Changes(status="open"), Changes(tags=()), Changes(assignee=None)):
        with pytest.raises(ForbiddenError):
            check_may_sort(customer, changes)


def test_how_staff_sorts_is_hidden_from_customers_and_a_closing_is_not() -> None:
    state = given(CREATED, said())
    payloads = done(state, changing(EVERYTHING))
    assert [staff_only(payload) for payload in payloads] == [True, True, True, False]
    seen = view(state, staff=False)
    assert (seen.version, seen.status) == (6, "closed")
    assert (seen.assignee, seen.priority, seen.tags, seen.attributes) == (None, None, (), {})
    assert seen.channel is None
    for_staff = view(state, staff=True)
    assert (for_staff.assignee, for_staff.priority) == (AGENT, "high")
    assert for_staff.channel == "email"
    assert (for_staff.tags, for_staff.attributes) == (("delivery", "refund"), {"order": 1042})


def test_a_view_is_a_value_that_later_changes_leave_alone() -> None:
    state = given(CREATED, said())
    done(state, changing(Changes(attributes={"a": 1})))
    before = view(state, staff=True)
    done(state, changing(Changes(attributes={"a": 2, "b": 3})))
    done(state, joining(BOB))
    assert (before.attributes, before.participants) == ({"a": 1}, (CUSTOMER,))


def test_staffs_work_is_sealed_with_the_key_of_whom_it_is_for() -> None:
    state = given(CREATED, said())
    for payload in decide(state, changing(EVERYTHING)):
        assert subject(state, payload) == CUSTOMER_CONTACT
    (added,) = decide(state, joining(Author("user", "usr_46")))
    assert subject(state, added) == "contact of usr_46"
    (agent,) = decide(state, joining(BOB))
    assert subject(state, agent) == CUSTOMER_CONTACT


def test_who_is_added_takes_part_once() -> None:
    state = given(CREATED, said())
    friend = Author("user", "usr_46")
    assert done(state, joining(friend)) == (
        ParticipantAdded(CONVERSATION, "conv_123", friend, "contact of usr_46", "public"),
    )
    assert decide(state, joining(friend)) == ()
    assert view(state, staff=False).participants == (CUSTOMER, friend)


def test_an_added_agent_is_known_to_customers_when_it_speaks() -> None:
    state = given(CREATED, said())
    (added,) = done(state, joining(AGENT))
    assert staff_only(added)
    assert view(state, staff=False).participants == (CUSTOMER,)
    assert view(state, staff=True).participants == (CUSTOMER, AGENT)
    done(state, joining(BOB))
    assert len(view(state, staff=True).participants) == 3


def test_who_is_removed_sees_no_more_and_may_be_added_again() -> None:
    state = given(CREATED, said(), said(author=AGENT))
    (removed,) = done(state, leaving(CUSTOMER))
    assert removed == ParticipantRemoved(
        CONVERSATION, "conv_123", CUSTOMER, CUSTOMER_CONTACT, "public"
    )
    assert not staff_only(removed)
    with pytest.raises(NotFoundError):
        check_visible(state, ITSELF)
    with pytest.raises(NotFoundError):
        decide(state, leaving(CUSTOMER))
    again = AddParticipant(viewer=STAFF, participant=CUSTOMER, contact_id=CUSTOMER_CONTACT)
    done(state, again)
    check_visible(state, ITSELF)


@pytest.mark.parametrize(
    "command",
    [
        changing(Changes(status="closed"), if_match=2),
        changing(Changes(status="open"), if_match=2),
        joining(CUSTOMER, if_match=2),
        leaving(AGENT, if_match=2),
    ],
)
def test_if_match_wants_the_very_version_even_when_nothing_would_change(command: object) -> None:
    with pytest.raises(VersionConflictError) as refused:
        decide(given(CREATED, said(), noted()), command)  # type: ignore[arg-type]
    assert (refused.value.seen, refused.value.current) == (2, 3)


@pytest.mark.parametrize("expected", [4, 99])
def test_a_version_to_come_is_bad_for_every_change(expected: int) -> None:
    state = given(CREATED, said(), noted())
    commands = (
        changing(Changes(), expected_version=expected),
        changing(EVERYTHING, expected_version=expected),
        joining(BOB, expected_version=expected),
        leaving(AGENT, expected_version=expected),
    )
    for command in commands:
        with pytest.raises(BadVersionError) as refused:
            decide(state, command)
        assert refused.value.members == {"current_version": 3}


def test_a_refused_change_changes_nothing() -> None:
    state = given(CREATED, said())
    before = copy.deepcopy(state)
    for command in (changing(EVERYTHING, if_match=1), leaving(BOB), joining(BOB, if_match=9)):
        with pytest.raises(ParleyError):
            decide(state, command)
    decide(state, changing(EVERYTHING))
    decide(state, joining(BOB))
    assert state == before
