"""The account whose key first wrote as a customer owns it."""

import pytest

from engine.conversation.commands import ClaimUser
from engine.conversation.contact import KIND, Claim, ContactState, apply, decide, subject
from engine.conversation.events import UserCreated
from engine.errors import AuthorMismatchError
from engine.feature import Payload, encode
from engine.log.event import Event
from persistence.records import Stream

CONTACT = "usr_01kapddvqjf8v8v1jt4zx8z7g0"


def claimed(payloads: tuple[Payload, ...]) -> ContactState:
    state: ContactState = KIND.initial(CONTACT)
    for version, payload in enumerate(payloads, start=1):
        event = Event(
            stream=Stream("contact", CONTACT),
            version=version,
            uuid=version.to_bytes(16),
            type=payload.type_name,
            schema=1,
            time_ms=0,
            visibility=1,
            previous_public=0,
            actor="acct_1",
            subject=CONTACT,
            data=encode(payload),
            payload=payload,
        )
        apply(state, event)
    return state


def test_the_first_account_gets_the_contact() -> None:
    payloads = decide(KIND.initial(CONTACT), ClaimUser("usr_45", "acct_1"))
    assert payloads == (UserCreated(CONTACT, "usr_45", "acct_1"),)
    assert claimed(payloads).claim == Claim("acct_1", 0)
    assert subject(claimed(payloads), payloads[0]) == CONTACT
    assert KIND.staff_only(payloads[0])


def test_claiming_again_is_no_news() -> None:
    state = claimed((UserCreated(CONTACT, "usr_45", "acct_1"),))
    assert decide(state, ClaimUser("usr_45", "acct_1")) == ()


def test_another_account_never_gets_it() -> None:
    state = claimed((UserCreated(CONTACT, "usr_45", "acct_1"),))
    with pytest.raises(AuthorMismatchError):
        decide(state, ClaimUser("usr_45", "acct_2"))
    assert state.claim == Claim("acct_1", 0)
