"""The stream that tells of somebody's erasures."""

from engine.admin.commands import TellErased
from engine.admin.events import SubjectErased
from engine.admin.transitions import KEY_SUBJECT, KIND, SubjectState, decide
from engine.feature import encode
from engine.log.event import STAFF_ONLY, Event
from persistence.records import Stream


def behind(state: SubjectState, payload: SubjectErased) -> SubjectState:
    event = Event(
        stream=Stream("subject", state.name),
        version=state.version + 1,
        uuid=bytes(16),
        type=payload.type_name,
        schema=1,
        time_ms=1,
        visibility=STAFF_ONLY,
        previous_public=0,
        actor="system",
        subject=KEY_SUBJECT,
        data=encode(payload),
        payload=payload,
    )
    KIND.advance(state, event)
    return state


def test_an_erasure_is_told_once() -> None:
    state = SubjectState("usr_1")
    (told,) = decide(state, TellErased("era_1", 3))
    assert told == SubjectErased("era_1", "usr_1", 3)
    behind(state, SubjectErased("era_1", "usr_1", 3))
    assert decide(state, TellErased("era_1", 3)) == ()
    assert decide(state, TellErased("era_0", 2)) == ()
    assert decide(state, TellErased("era_2", 5)) == (SubjectErased("era_2", "usr_1", 5),)


def test_it_is_not_sealed_with_the_key_that_is_destroyed_and_no_customer_hears_of_it() -> None:
    told = SubjectErased("era_1", "usr_1", 3)
    assert KIND.subject(SubjectState("usr_1"), told) == KEY_SUBJECT != "usr_1"
    assert KIND.staff_only(told)
