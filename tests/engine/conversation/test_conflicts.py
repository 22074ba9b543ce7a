"""Which later events make an expected version a stale one."""

import pytest
from msgspec.structs import fields

from engine.conversation.changing import asked
from engine.conversation.commands import Changes
from engine.conversation.conflicts import (
    CONFLICTS,
    EVERYTHING,
    TOUCHES,
    check_expected,
    check_if_match,
    topics,
)
from engine.conversation.events import (
    EVENTS,
    ConversationCreated,
    ConversationUpdated,
    MarksAdvanced,
    MessageRedacted,
    MessageUpdated,
    UserCreated,
)
from engine.conversation.transitions import decide
from engine.errors import BadVersionError, VersionConflictError
from engine.feature import Payload
from tests.support.conversations import (
    AGENT,
    CONVERSATION,
    CREATED,
    changing,
    done,
    given,
    happen,
    noted,
    rewritten,
    said,
)

TOUCH_NOTHING: set[type[Payload]] = {
    ConversationCreated,  # nothing was before it
    MessageUpdated,  # conflicts by its message, not by a topic
    MessageRedacted,
    MarksAdvanced,  # a stream of its own
    UserCreated,
}
SETTING = {
    "status": Changes(status="closed"),
    "assignee": Changes(assignee=AGENT),
    "priority": Changes(priority="high"),
    "channel": Changes(channel="email"),
    "tags": Changes(tags=("vip",)),
    "attributes": Changes(attributes={"order": 1042}),
}
STALE = {
    "status": {"status"},
    "assignee": {"assignee", "status"},
    "priority": {"priority"},
    "channel": {"channel"},
    "tags": {"tags"},
    "attributes": {"attributes"},
}
"""What is asked → the fields that, set meanwhile, make its version a stale one."""


def test_every_field_that_can_be_set_has_a_row_and_every_row_is_asked_for() -> None:
    names = {field.name for field in fields(Changes)}
    assert set(CONFLICTS) == names | {"message", "participants"}
    assert set(SETTING) == set(STALE) == names
    for name, changes in SETTING.items():
        assert asked(changes) == (name,)


def test_every_event_touches_a_topic_or_is_known_to_touch_none() -> None:
    touching = set(TOUCHES) | {ConversationUpdated}
    assert touching.isdisjoint(TOUCH_NOTHING)
    assert touching | TOUCH_NOTHING == set(EVENTS)


def test_every_topic_that_conflicts_is_touched_by_something() -> None:
    updated = ConversationUpdated(CONVERSATION, None, dict.fromkeys(Changes.__struct_fields__), {})
    touched = {*TOUCHES.values(), *topics(updated), EVERYTHING}
    assert frozenset().union(*CONFLICTS.values()) <= touched


def test_an_update_touches_the_fields_it_names_and_no_others() -> None:
    updated = ConversationUpdated(CONVERSATION, None, {"priority": "high"}, {"priority": "low"})
    assert topics(updated) == ("priority",)
    for kind in TOUCH_NOTHING:
        assert kind not in TOUCHES


@pytest.mark.parametrize("meanwhile", SETTING)
@pytest.mark.parametrize("wanted", SETTING)
def test_two_who_set_different_fields_do_not_disturb_each_other(
    wanted: str, meanwhile: str
) -> None:
    state = given(CREATED, said())
    expecting = changing(SETTING[wanted], expected_version=state.version)
    done(state, changing(SETTING[meanwhile]))
    if meanwhile not in STALE[wanted]:
        decide(state, expecting)
        return
    with pytest.raises(VersionConflictError) as refused:
        decide(state, expecting)
    assert (refused.value.seen, refused.value.current) == (2, 3)
    assert meanwhile in refused.value.detail


def test_nobody_closes_a_conversation_over_an_answer_they_have_not_read() -> None:
    for word in (said(), noted()):
        state = given(CREATED, said(), word)
        with pytest.raises(VersionConflictError):
            decide(state, changing(SETTING["status"], expected_version=2))
        for field in SETTING.keys() - {"status"}:
            assert decide(state, changing(SETTING[field], expected_version=2))
        assert decide(state, changing(SETTING["status"], expected_version=3))


def test_an_edit_of_a_message_disturbs_no_field() -> None:
    state = given(CREATED)
    (first,) = happen(state, [said(author=AGENT)])
    happen(state, [rewritten(first)])
    for changes in SETTING.values():
        assert decide(state, changing(changes, expected_version=2))


def test_if_match_is_strict_and_nothing_is_no_condition() -> None:
    check_if_match(None, current=7)
    check_if_match(7, current=7)
    for other in (0, 6, 8):
        with pytest.raises(VersionConflictError):
            check_if_match(other, current=7)


def test_who_asks_for_nothing_is_still_told_of_a_version_that_never_was() -> None:
    state = given(CREATED, said())
    check_expected(state, None, ("message",), staff=True)
    check_expected(state, 0, (), staff=True)
    with pytest.raises(BadVersionError):
        check_expected(state, 3, (), staff=True)


def test_what_was_touched_is_as_many_topics_as_there_are_and_no_more() -> None:
    state = given(CREATED)
    for number in range(300):
        happen(state, [said(), noted()])
        done(state, changing(Changes(attributes={f"name {number}": 1}, tags=(str(number),))))
    assert set(state.touched) == {"messages", "attributes", "tags"}
