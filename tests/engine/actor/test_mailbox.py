"""The bounded queue in front of an actor."""

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.actor.mailbox import Mailbox, MailboxStatistics
from engine.actor.outcome import Envelope, Origin, Outcome
from engine.errors import BusyError, ParleyError
from engine.limits import MAILBOX_BYTES_MAX, MAILBOX_COMMANDS_MAX


def nobody(_: Outcome | ParleyError) -> None: ...


def envelope(command: object, size: int = 256) -> Envelope:
    return Envelope(command, Origin("key_1"), nobody, size)


def filled(count: int, size: int = 256) -> Mailbox:
    mailbox = Mailbox()
    for number in range(count):
        mailbox.put(envelope(number, size))
    return mailbox


def commands(mailbox: Mailbox) -> list[object]:
    return [waiting.command for waiting in mailbox.drain()]


def test_first_in_is_first_out() -> None:
    mailbox = filled(3)
    taken = [mailbox.take(count) for count in (0, 1, 5, 5)]
    assert [[found.command for found in some] for some in taken] == [[], [0], [1, 2], []]


def test_one_command_too_many_is_refused_and_nothing_is_lost() -> None:
    mailbox = filled(MAILBOX_COMMANDS_MAX)
    with pytest.raises(BusyError):
        mailbox.put(envelope("late"))
    assert commands(mailbox) == list(range(MAILBOX_COMMANDS_MAX))


def test_one_byte_too_many_is_refused_and_nothing_is_lost() -> None:
    mailbox = filled(2, MAILBOX_BYTES_MAX // 2)
    with pytest.raises(BusyError):
        mailbox.put(envelope("late", 1))
    assert mailbox.statistics() == MailboxStatistics(2, MAILBOX_BYTES_MAX)
    mailbox.take(1)
    mailbox.put(envelope("late", 1))
    assert commands(mailbox) == [1, "late"]


def test_what_is_put_back_is_first_again() -> None:
    mailbox = filled(3)
    mailbox.put_back(mailbox.take(2))
    assert mailbox.statistics() == MailboxStatistics(3, 768)
    assert commands(mailbox) == [0, 1, 2]


def test_what_is_put_back_is_taken_even_by_a_full_mailbox() -> None:
    mailbox = filled(MAILBOX_COMMANDS_MAX)
    taken = mailbox.take(2)
    mailbox.put(envelope("late"))
    mailbox.put_back(taken)
    assert commands(mailbox) == [*range(MAILBOX_COMMANDS_MAX), "late"]


def test_a_drained_mailbox_has_all_its_room_again() -> None:
    mailbox = filled(2, MAILBOX_BYTES_MAX // 2)
    mailbox.drain()
    assert (len(mailbox), mailbox.statistics()) == (0, MailboxStatistics(0, 0))
    mailbox.put(envelope("again", MAILBOX_BYTES_MAX))


@given(st.lists(st.sampled_from(["put", "take", "back"]), max_size=60), st.integers(1, 400_000))
def test_the_count_of_bytes_is_that_of_what_waits(steps: list[str], size: int) -> None:
    mailbox, model = Mailbox(), deque[Envelope]()
    for number, step in enumerate(steps):
        if step == "put":
            arriving = envelope(number, size + number)
            if sum(waiting.size for waiting in model) + arriving.size > MAILBOX_BYTES_MAX:
                with pytest.raises(BusyError):
                    mailbox.put(arriving)
            else:
                mailbox.put(arriving)
                model.append(arriving)
            continue
        taken = mailbox.take(1 + number % 3)
        assert taken == [model.popleft() for _ in range(min(len(model), 1 + number % 3))]
        if step == "back":
            mailbox.put_back(taken)
            model.extendleft(reversed(taken))
    assert mailbox.statistics() == MailboxStatistics(len(model), sum(e.size for e in model))
