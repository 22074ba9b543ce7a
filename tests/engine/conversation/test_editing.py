"""Who may change what was said, on which version of it, and what the actor remembers of it."""

import copy

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from engine.conversation.commands import AnyCommand, EditMessage, MessageHeader, RedactMessage
from engine.conversation.editing import StaleHeaderError
from engine.conversation.events import MessageRedacted, MessageUpdated
from engine.conversation.state import ConversationState
from engine.conversation.transitions import decide, staff_only, subject
from engine.errors import (
    AuthorMismatchError,
    BadVersionError,
    BusyError,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    VersionConflictError,
)
from engine.limits import MESSAGE_CHANGES_MAX, REVISIONS_REMEMBERED
from engine.log.event import Event
from tests.support.conversations import (
    AGENT,
    CONVERSATION,
    CREATED,
    CUSTOMER,
    CUSTOMER_CONTACT,
    ITSELF,
    STAFF,
    done,
    edit,
    given,
    happen,
    noted,
    redact,
    rewritten,
    said,
    target_of,
    withdrawn,
)


def begun() -> tuple[ConversationState, Event, Event, Event]:
    """Return a conversation and, in it, a customer's message, an agent's, and a note."""
    state = given(CREATED)
    customers, agents, note = happen(state, [said(), said(author=AGENT), noted()])
    return state, customers, agents, note


def test_an_edit_says_which_message_whose_and_by_whom() -> None:
    state, customers, *_ = begun()
    target = target_of(customers)
    command = replace(edit(target, ITSELF, text="Better"), flags=("bidi_controls",))
    (event,) = decide(state, command)
    assert event == MessageUpdated(
        conversation_id=CONVERSATION,
        conversation_external_id="conv_123",
        message_id=target.id,
        author=CUSTOMER,
        contact_id=CUSTOMER_CONTACT,
        editor=CUSTOMER,
        visibility="public",
        changed=("text",),
        number=1,
        text="Better",
        metadata=None,
        flags=("bidi_controls",),
    )
    assert event.about() == customers.uuid
    (plain,) = decide(state, edit(target, ITSELF))
    assert isinstance(plain, MessageUpdated)
    assert plain.flags is UNSET


def test_words_are_changed_by_their_own_side_alone() -> None:
    state, customers, agents, note = begun()
    assert decide(state, edit(target_of(customers), ITSELF))
    assert decide(state, edit(target_of(agents), STAFF))
    assert decide(state, edit(target_of(note), STAFF))
    for message, viewer in ((customers, STAFF), (agents, ITSELF)):
        with pytest.raises(AuthorMismatchError):
            decide(state, edit(target_of(message), viewer))


def test_staff_notes_something_with_any_message_and_customers_with_none() -> None:
    state, *messages = begun()
    for message in messages:
        (event,) = decide(state, edit(target_of(message), text=None, metadata={"topic": "refund"}))
        assert isinstance(event, MessageUpdated)
        assert (event.text, event.metadata) == (None, {"topic": "refund"})
    with pytest.raises(ForbiddenError):
        decide(state, edit(target_of(messages[0]), ITSELF, metadata={"topic": "refund"}))
    with pytest.raises(ForbiddenError):
        decide(state, edit(target_of(messages[0]), ITSELF, text=None, metadata={}))


def test_anybody_of_staff_withdraws_anything_and_customers_their_own() -> None:
    state, *messages = begun()
    for message in messages:
        (event,) = decide(state, redact(target_of(message), STAFF))
        assert isinstance(event, MessageRedacted)
        assert event.about() == message.uuid
    customers, agents, _ = messages
    assert decide(state, redact(target_of(customers), ITSELF))
    with pytest.raises(AuthorMismatchError):
        decide(state, redact(target_of(agents), ITSELF))


def test_a_note_is_no_message_for_customers() -> None:
    state, *_, note = begun()
    commands: tuple[AnyCommand, ...] = (
        edit(target_of(note), ITSELF, if_match=1),
        redact(target_of(note), ITSELF),
    )
    for command in commands:
        with pytest.raises(NotFoundError):
            decide(state, command)


def test_a_hidden_conversation_is_hidden_from_edits_too() -> None:
    state = given(CREATED)
    (agents,) = happen(state, [said(author=AGENT)])
    for command in (edit(target_of(agents), ITSELF, if_match=9), redact(target_of(agents), ITSELF)):
        with pytest.raises(NotFoundError):
            decide(state, command)


def test_a_customer_that_was_removed_changes_its_words_no_more() -> None:
    state, customers, *_ = begun()
    state.participants[CUSTOMER_CONTACT].left = True
    for command in (edit(target_of(customers), ITSELF), redact(target_of(customers), ITSELF)):
        with pytest.raises(NotFoundError):
            decide(state, command)


def test_an_edit_of_words_is_seen_by_whom_the_words_are_seen_and_metadata_by_staff() -> None:
    state, customers, agents, note = begun()
    seen: list[tuple[AnyCommand, bool]] = [
        (edit(target_of(customers), ITSELF), True),
        (edit(target_of(agents), metadata={"a": 1}), True),
        (edit(target_of(agents), text=None, metadata={"a": 1}), False),
        (edit(target_of(note)), False),
        (redact(target_of(agents)), True),
        (redact(target_of(note)), False),
    ]
    for command, public in seen:
        (event,) = decide(state, command)
        assert staff_only(event) is not public


def test_a_change_is_sealed_as_the_message_was() -> None:
    state, *messages = begun()
    for message in messages:
        for event in decide(state, redact(target_of(message))):
            assert subject(state, event) == subject(state, message.payload) == CUSTOMER_CONTACT


def test_a_redacted_message_stays_redacted() -> None:
    state, customers, *_ = begun()
    events = happen(state, [withdrawn(customers)])
    for target in (target_of(customers), target_of(customers, events)):
        assert decide(state, redact(target)) == ()
        with pytest.raises(ConflictError):
            decide(state, edit(target, ITSELF))
        with pytest.raises(ConflictError):
            decide(state, edit(target, text=None, metadata={}))


def annotate(target: MessageHeader) -> EditMessage:
    return edit(target, text=None, metadata={"a": 1})


def test_a_message_is_changed_so_often_and_can_still_be_withdrawn() -> None:
    state, _, agents, _ = begun()
    target = target_of(agents)
    (last,) = decide(state, edit(replace(target, rewritten=MESSAGE_CHANGES_MAX - 1)))
    assert isinstance(last, MessageUpdated)
    assert last.number == MESSAGE_CHANGES_MAX
    with pytest.raises(ConflictError):
        decide(state, edit(replace(target, rewritten=MESSAGE_CHANGES_MAX)))
    assert decide(state, redact(replace(target, rewritten=MESSAGE_CHANGES_MAX)))


def test_what_staff_notes_with_a_message_uses_up_no_edits_of_its_words_nor_they_of_it() -> None:
    state, _, agents, _ = begun()
    target = target_of(agents)
    full = replace(target, annotated=MESSAGE_CHANGES_MAX)
    (rewriting,) = decide(state, edit(full, metadata={"a": 1}))
    with pytest.raises(ConflictError):
        decide(state, annotate(full))
    (annotating,) = decide(state, annotate(replace(target, rewritten=MESSAGE_CHANGES_MAX)))
    numbers = [(event.changed, event.number) for event in (rewriting, annotating)]  # type: ignore[attr-defined]
    assert numbers == [(("text", "metadata"), 1), (("metadata",), 1)]


def test_edits_that_were_all_prepared_before_the_first_of_them_do_not_exceed_the_limit() -> None:
    state, _, agents, _ = begun()
    target = target_of(agents)
    for make in (edit, annotate):
        for number in range(1, MESSAGE_CHANGES_MAX + 1):
            (event,) = done(state, make(target))
            assert isinstance(event, MessageUpdated)
            assert event.number == number
        with pytest.raises(ConflictError):
            decide(state, make(target))
    revision = state.revisions[agents.uuid]
    assert (revision.rewritten, revision.annotated) == (MESSAGE_CHANGES_MAX, MESSAGE_CHANGES_MAX)


def test_a_message_is_at_the_version_of_its_newest_visible_change() -> None:
    state, customers, *_ = begun()
    happen(state, [rewritten(customers, text=None, metadata={"a": 1})])
    target = target_of(customers)
    assert decide(state, edit(target, ITSELF, if_match=2))
    assert decide(state, edit(target, text=None, metadata={}, if_match=5))
    for command in (
        edit(target, ITSELF, if_match=5),
        edit(target, text=None, metadata={}, if_match=2),
        redact(target, ITSELF, if_match=4),
        redact(target, if_match=2),
    ):
        with pytest.raises(VersionConflictError):
            decide(state, command)


def test_an_edit_conflicts_with_later_changes_of_the_same_message_alone() -> None:
    state, _, agents, note = begun()
    target = target_of(agents)
    happen(state, [rewritten(note), said(), noted()])
    assert decide(state, edit(target, expected_version=3))
    happen(state, [rewritten(agents)])
    for command in (edit(target, expected_version=7), redact(target, expected_version=7)):
        with pytest.raises(VersionConflictError) as refused:
            decide(state, command)
        assert (refused.value.seen, refused.value.current) == (7, 8)
    assert decide(state, edit(target, expected_version=8))


def test_a_customer_finds_no_notes_by_guessing_versions_of_its_messages() -> None:
    told = []
    for more in ([], [noted(), noted()]):
        state = given(CREATED)
        (customers,) = happen(state, [said()])
        happen(state, more)
        with pytest.raises(BadVersionError) as refused:
            decide(state, edit(target_of(customers), ITSELF, expected_version=3))
        told.append((refused.value.detail, refused.value.members))
    assert told[0] == told[1]


def test_a_change_behind_the_header_is_known_all_the_same() -> None:
    state, customers, *_ = begun()
    target = target_of(customers)
    happen(state, [rewritten(customers)])
    with pytest.raises(VersionConflictError):
        decide(state, edit(target, ITSELF, if_match=2))
    assert decide(state, edit(target, ITSELF, if_match=5))


def many_changes(state: ConversationState, number: int) -> list[Event]:
    """Change so many other messages."""
    others = happen(state, [said(author=AGENT) for _ in range(number)])
    return happen(state, [rewritten(other) for other in others])


def test_an_actor_remembers_so_many_changed_messages_and_no_more() -> None:
    state, *_ = begun()
    first, second, *_ = many_changes(state, REVISIONS_REMEMBERED + 2)
    assert len(state.revisions) == REVISIONS_REMEMBERED
    assert state.revisions_known_since == second.version == first.version + 1
    for _ in range(3):
        many_changes(state, REVISIONS_REMEMBERED)
    assert len(state.revisions) == REVISIONS_REMEMBERED


def test_the_messages_that_were_changed_last_are_the_ones_remembered() -> None:
    state, _, agents, _ = begun()
    happen(state, [rewritten(agents)])
    many_changes(state, REVISIONS_REMEMBERED - 1)
    happen(state, [rewritten(agents)])
    many_changes(state, REVISIONS_REMEMBERED - 1)
    assert agents.uuid in state.revisions
    many_changes(state, 1)
    assert agents.uuid not in state.revisions


@pytest.mark.parametrize("make", [edit, redact])
def test_a_header_that_may_have_missed_a_change_is_read_again(make: object) -> None:
    assert make in (edit, redact)
    state, _, agents, _ = begun()
    stale = target_of(agents)
    (gone, *_) = many_changes(state, REVISIONS_REMEMBERED + 1)
    before = copy.deepcopy(state)
    with pytest.raises(StaleHeaderError) as refused:
        decide(state, command_of(make, stale))
    assert isinstance(refused.value, BusyError)
    assert refused.value.retry_after_s is not None
    with pytest.raises(StaleHeaderError):
        decide(state, command_of(make, replace(stale, read_at=gone.version - 1)))
    assert decide(state, command_of(make, replace(stale, read_at=gone.version)))
    assert state == before


def command_of(make: object, target: MessageHeader) -> EditMessage | RedactMessage:
    return edit(target) if make is edit else redact(target)


def test_a_message_that_is_remembered_needs_a_fresh_header_all_the_same() -> None:
    """What is remembered of it may be its newest change alone: an earlier one was let go."""
    state, customers, *_ = begun()
    stale = target_of(customers)
    (lost,) = happen(state, [rewritten(customers)])
    many_changes(state, REVISIONS_REMEMBERED)
    (noted_with_it,) = happen(state, [rewritten(customers, text=None, metadata={"a": 1})])
    assert state.revisions[customers.uuid].public_version == 0
    for command in (edit(stale, ITSELF, if_match=stale.public_version), edit(stale, ITSELF)):
        with pytest.raises(StaleHeaderError):
            decide(state, command)
    fresh = replace(target_of(customers, [lost, noted_with_it]), read_at=state.version)
    with pytest.raises(VersionConflictError) as refused:
        decide(state, edit(fresh, ITSELF, if_match=stale.public_version))
    assert refused.value.current == lost.version
    assert decide(state, edit(fresh, ITSELF, if_match=lost.version))


def test_a_second_edit_is_decided_on_the_first() -> None:
    state, customers, *_ = begun()
    target = target_of(customers)
    first = edit(target, ITSELF, if_match=2)
    done(state, first)
    with pytest.raises(VersionConflictError) as refused:
        decide(state, first)
    assert (refused.value.seen, refused.value.current) == (2, 5)
