"""What a message says after its changes, to each audience."""

import pytest
from msgspec import UNSET, structs

from engine.conversation.events import STAFF_EDITOR, Author, MessageCreated
from engine.conversation.revisions import behind, header, history, unrevised
from engine.log.event import Event
from tests.support.conversations import (
    AGENT,
    CREATED,
    CUSTOMER,
    CUSTOMER_CONTACT,
    given,
    happen,
    noted,
    rewritten,
    said,
    withdrawn,
)


def changed(message: MessageCreated, *changes: object) -> tuple[Event, list[Event]]:
    """Return a message's event, and those of ``changes``: (text, metadata), or None = withdrawn."""
    state = given(CREATED)
    (event,) = happen(state, [message])
    payloads = [
        withdrawn(event) if change is None else rewritten(event, *change, number=number)  # type: ignore[misc]
        for number, change in enumerate(changes, start=1)
    ]
    return event, happen(state, payloads)


def test_a_message_that_was_never_changed_is_what_was_written() -> None:
    event, changes = changed(said("Hello"))
    for audience in ("staff", "customer"):
        (only,) = history(event, changes, audience)
        assert (only.text, only.revision, only.editor) == ("Hello", 2, CUSTOMER)
        assert (only.redacted, only.changed_by, only.flags) == (False, None, UNSET)


def test_each_change_leaves_alone_what_it_does_not_name() -> None:
    event, changes = changed(said("one"), ("two", None), (None, {"a": 1}), ("three", {}))
    told = [(one.text, one.metadata, one.revision) for one in history(event, changes, "staff")]
    assert told == [("one", {}, 2), ("two", {}, 3), ("two", {"a": 1}, 4), ("three", {}, 5)]
    assert [one.changed_by for one in history(event, changes, "staff")] == [None, *changes]
    assert {one.editor for one in history(event, changes, "staff")[1:]} == {AGENT}


def test_customers_see_neither_what_staff_noted_nor_that_it_did() -> None:
    event, changes = changed(said("one"), (None, {"a": 1}), ("two", {"b": 2}), (None, {"c": 3}))
    told = [(one.text, one.metadata, one.revision) for one in history(event, changes, "customer")]
    assert told == [("one", {}, 2), ("two", {}, 4)]
    assert history(event, changes, "staff")[-1].revision == 5


def test_customers_see_the_metadata_they_sent_and_never_a_bots() -> None:
    for author, shown in ((CUSTOMER, {"page": 7}), (Author("bot", "b"), {})):
        message = structs.replace(said(author=author), metadata={"page": 7})
        event, changes = changed(message, ("two", {"secret": 1}))
        assert [one.metadata for one in history(event, changes, "customer")] == [shown, shown]
        assert [one.metadata for one in history(event, changes, "staff")] == [
            {"page": 7},
            {"secret": 1},
        ]


def test_flags_go_with_the_text_they_are_about() -> None:
    flagged = structs.replace(said("one"), flags=("bidi_controls",))
    event, changes = changed(flagged, (None, {"a": 1}), ("two", None))
    told = [one.flags for one in history(event, changes, "staff")]
    assert told == [("bidi_controls",), ("bidi_controls",), UNSET]


@pytest.mark.parametrize("audience", ["staff", "customer"])
def test_a_redaction_is_the_last_word_and_says_nothing(audience: str) -> None:
    message = structs.replace(said("one"), metadata={"page": 7}, flags=("bidi_controls",))
    event, changes = changed(message, ("two", None), None)
    last = history(event, changes, audience)[-1]
    assert (last.text, last.metadata, last.flags, last.redacted) == ("", {}, UNSET, True)
    assert (last.revision, last.changed_by) == (4, changes[-1])


@pytest.mark.parametrize("audience", ["staff", "customer"])
def test_a_history_that_is_read_after_a_redaction_says_nothing_anywhere(audience: str) -> None:
    event, changes = changed(said("one"), ("two", {"a": 1}), None)
    for one in (event, changes[0]):
        one.withdraw()
    for revision in history(event, changes, audience):
        assert (revision.text, revision.metadata, revision.redacted) == ("", {}, True)


@pytest.mark.parametrize("audience", ["staff", "customer"])
def test_a_history_says_nothing_once_any_part_of_it_knows_of_a_redaction(audience: str) -> None:
    edits = (("two", {"a": 1}), ("three", {"b": 2}))
    knows_by_the_message = changed(said("one"), *edits)
    knows_by_the_message[0].withdraw()
    knows_by_the_redaction = changed(said("one"), *edits, None)
    for event, changes in (knows_by_the_message, knows_by_the_redaction):
        told = history(event, changes, audience)
        assert [one.revision for one in told] == [event.version, *(c.version for c in changes)]
        assert {(one.text, str(one.metadata), one.redacted) for one in told} == {("", "{}", True)}
        assert {one.flags for one in told} == {UNSET}


@pytest.mark.parametrize("audience", ["staff", "customer"])
def test_a_message_that_was_withdrawn_is_shown_as_such_before_any_change_is_read(
    audience: str,
) -> None:
    event, _ = changed(said("one"))
    event.withdraw()
    shown = unrevised(event, audience)
    assert (shown.text, shown.metadata, shown.redacted) == ("", {}, True)


def test_a_change_that_an_audience_may_not_see_leaves_the_message_as_it_is() -> None:
    event, (annotated, rewrote) = changed(said("one"), (None, {"a": 1}), ("two", {"b": 2}))
    for audience, texts, revisions in (
        ("staff", ["one", "one", "two"], [2, 3, 4]),
        ("customer", ["one", "one", "two"], [2, 2, 4]),
    ):
        first = unrevised(event, audience)
        second = behind(first, annotated, audience)
        third = behind(second, rewrote, audience)
        assert [one.text for one in (first, second, third)] == texts
        assert [one.revision for one in (first, second, third)] == revisions


def test_customers_are_told_that_staff_changed_a_message_and_not_who_of_it() -> None:
    event, changes = changed(said("one", author=AGENT), ("two", None), None)
    editors = {
        audience: [one.editor for one in history(event, changes, audience)]
        for audience in ("staff", "customer")
    }
    assert editors["staff"] == [AGENT, AGENT, AGENT]
    assert editors["customer"] == [AGENT, Author("system", "staff"), Author("system", "staff")]
    (change, redaction) = (change.payload.for_customers() for change in changes)
    assert (change.editor, redaction.editor) == (STAFF_EDITOR, STAFF_EDITOR)


def test_customers_are_told_which_customer_changed_a_message() -> None:
    _, (change,) = changed(said("one"), ("two", None))
    payload = structs.replace(change.payload, editor=CUSTOMER)
    assert payload.for_customers().editor == CUSTOMER
    assert payload.for_customers().metadata is None


def test_a_note_is_revised_for_staff() -> None:
    event, changes = changed(noted("one"), ("two", None))
    assert history(event, changes, "staff")[-1].text == "two"
    assert [change for change in changes if change.seen_by("customer")] == []


def test_a_header_carries_where_a_message_stands_for_each_audience() -> None:
    event, changes = changed(said(), ("two", None), (None, {"a": 1}))
    found = header(event, changes, read_at=9)
    assert (found.id, found.uuid) == (event.resource_id, event.uuid)
    assert (found.author, found.contact_id) == (CUSTOMER, CUSTOMER_CONTACT)
    assert (found.version, found.public_version) == (4, 3)
    assert (found.redacted, found.rewritten, found.annotated) == (False, 1, 2)
    assert found.read_at == 9


def test_a_header_counts_a_change_of_text_and_metadata_as_one_of_the_text() -> None:
    event, changes = changed(said(), ("two", {"a": 1}), ("three", {"b": 2}))
    found = header(event, changes, read_at=4)
    assert (found.rewritten, found.annotated) == (2, 0)


def test_the_header_of_an_unchanged_message_is_at_the_message_itself() -> None:
    event, _ = changed(said())
    found = header(event, [], read_at=2)
    assert (found.version, found.rewritten, found.annotated) == (2, 0, 0)
    note, changes = changed(noted(), ("two", None))
    found = header(note, changes, read_at=3)
    assert (found.version, found.public_version, found.visibility) == (3, 0, "note")


def test_the_header_of_a_redacted_message_says_so() -> None:
    event, changes = changed(said(), ("two", None), None)
    assert header(event, changes, read_at=4).redacted
    assert header(event, changes, read_at=4).public_version == 4
