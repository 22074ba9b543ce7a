"""A message that is lost, doubled or out of order is found, kept or received."""

import pytest

from bench.correctness import Counts, Posted, Received, count_kept
from bench.messages import Kept, Key, key_of, text_of

NAME = "conv_a"
FIRST = 2


def posted(count: int) -> Posted:
    """Return ``count`` messages that were sent and acknowledged in order."""
    history = Posted(NAME)
    for number in range(count):
        history.intended[Key(0, number)] = float(number)
        history.acked(Key(0, number), FIRST + number)
    return history


def kept(*numbers: int) -> list[Kept]:
    """Return a conversation that holds these messages in this order."""
    return [Kept(FIRST + at, text_of(NAME, Key(0, number))) for at, number in enumerate(numbers)]


def counted(history: Posted, have: list[Kept]) -> Counts:
    return count_kept(history, have, first_version=FIRST)


def test_a_conversation_that_holds_what_was_acknowledged_is_right() -> None:
    counts = counted(posted(4), kept(0, 1, 2, 3))
    assert counts == Counts(sent=4, acked=4)
    assert not counts.void


@pytest.mark.parametrize(
    ("have", "fault"),
    [
        (kept(0, 1, 2), "lost"),
        (kept(), "lost"),
        (kept(0, 1, 2, 3, 3), "doubled"),
        (kept(0, 2, 1, 3), "disordered"),
        ([*kept(0, 1, 2), Kept(9, text_of(NAME, Key(0, 3)))], "disordered"),
        ([*kept(0, 1, 2, 3), Kept(6, "nobody sent this")], "errors"),
        (kept(0, 1, 2, 3, 4), "errors"),
    ],
)
def test_a_fault_in_what_is_kept_voids_the_run(have: list[Kept], fault: str) -> None:
    counts = counted(posted(4), have)
    assert getattr(counts, fault) > 0
    assert counts.void


def test_a_message_kept_with_another_version_than_acknowledged_is_lost() -> None:
    history = posted(2)
    history.versions[Key(0, 1)] = 7
    assert counted(history, kept(0, 1)).lost == 1


def test_a_message_without_an_answer_voids_the_run() -> None:
    history = posted(2)
    history.intended[Key(0, 2)] = 2.0
    counts = counted(history, kept(0, 1))
    assert not history.settled
    assert counts.unanswered == 1
    assert counts.void


def test_a_refused_message_is_an_error_and_not_unanswered() -> None:
    history = posted(2)
    history.intended[Key(0, 2)] = 2.0
    history.errors.append("503")
    counts = counted(history, kept(0, 1))
    assert history.settled
    assert (counts.unanswered, counts.errors) == (0, 1)


def test_a_message_acknowledged_twice_is_doubled() -> None:
    history = posted(2)
    history.acked(Key(0, 1), FIRST + 1)
    assert counted(history, kept(0, 1)).doubled == 1


def test_two_authors_may_mix_but_each_stays_in_order() -> None:
    history = Posted(NAME)
    keys = [Key(0, 0), Key(1, 0), Key(0, 1), Key(1, 1)]
    for at, key in enumerate(keys):
        history.intended[key] = float(at)
        history.acked(key, FIRST + at)
    have = [Kept(FIRST + at, text_of(NAME, key)) for at, key in enumerate(keys)]
    assert not counted(history, have).void


def received(*versions: int, behind: int = FIRST) -> Counts:
    member = Received(behind)
    for version in versions:
        member.take(version, Key(0, version))
    return member.counts(6)


def test_a_member_that_received_everything_once_and_in_order_is_right() -> None:
    assert received(3, 4, 5, 6) == Counts(delivered=4)


@pytest.mark.parametrize(
    ("versions", "fault", "times"),
    [
        ((3, 4, 5), "lost", 1),
        ((3, 6), "lost", 2),
        ((), "lost", 4),
        ((3, 4, 4, 5, 6), "doubled", 1),
        ((3, 5, 4, 6), "disordered", 1),
    ],
)
def test_a_fault_in_what_a_member_received_voids_the_run(
    versions: tuple[int, ...], fault: str, times: int
) -> None:
    counts = received(*versions)
    assert getattr(counts, fault) == times
    assert counts.void


def test_a_delivery_with_the_text_of_an_earlier_message_is_out_of_order() -> None:
    member = Received(FIRST)
    member.take(3, Key(0, 8))
    member.take(4, Key(0, 7))
    assert member.counts(4).disordered == 1


def test_a_delivery_that_nobody_sent_is_an_error() -> None:
    member = Received(FIRST)
    assert not member.take(3, key_of(NAME, "hello"))
    assert member.counts(FIRST).errors == 1


def test_a_text_says_which_message_it_is() -> None:
    assert key_of(NAME, text_of(NAME, Key(1, 23))) == Key(1, 23)
    assert key_of("conv_b", text_of(NAME, Key(1, 23))) is None
    assert key_of(NAME, text_of(NAME, Key(1, 23))[:-1]) is None
