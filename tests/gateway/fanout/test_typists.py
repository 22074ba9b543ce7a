"""Typing holds a while, is told rarely, and ends by itself. Time is given, so nothing waits."""

import pytest

from engine.conversation.events import Author, Visibility
from engine.errors import BusyError, OutOfRangeError
from gateway.fanout import roll
from gateway.fanout.lapses import Lapses
from gateway.fanout.roll import Seat
from gateway.fanout.typists import TypingTold, Typists
from gateway.limits import (
    CONVERSATION_AUTHORS_MAX,
    SIGNAL_SECONDS,
    SOCKET_AUTHORS_MAX,
    TYPING_SECONDS,
)

NEVER = float("inf")
SOCKET, OTHER = "a socket", "another socket"


def seat(author: str = "anna", where: str = "conv_1", visibility: Visibility = "public") -> Seat:
    return Seat(where, Author("user", author), visibility)


def test_what_was_set_last_lapses_last_and_what_is_dropped_never() -> None:
    lapses: Lapses[str] = Lapses(8)
    for at, key in enumerate("abca"):
        lapses.set(key, at)
    lapses.drop("b")
    lapses.drop("nothing")
    assert (lapses.next, len(lapses), "b" in lapses, "a" in lapses) == (10, 2, False, True)
    assert lapses.due(9.9) == []
    assert lapses.due(11) == ["c", "a"]
    assert lapses.next == NEVER


def test_typing_is_told_at_once_and_ends_by_itself() -> None:
    typists = Typists()
    assert typists.next == NEVER
    assert typists.start(seat(), SOCKET, 0)
    assert typists.lapse(SIGNAL_SECONDS) == []
    assert typists.next == TYPING_SECONDS
    assert typists.lapse(TYPING_SECONDS - 0.1) == []
    assert typists.lapse(TYPING_SECONDS) == [TypingTold(seat(), "stop", SOCKET)]
    assert (len(typists), typists.next) == (0, NEVER)


def test_typing_that_is_repeated_holds_and_is_told_rarely() -> None:
    typists = Typists()
    told = []
    now = 0.0
    while now < 60:
        assert typists.lapse(now) == []
        told.append(typists.start(seat(), SOCKET, now))
        now += 1 / 8
    assert sum(told) == 60 / SIGNAL_SECONDS
    assert typists.lapse(now + TYPING_SECONDS) == [TypingTold(seat(), "stop", SOCKET)]


def test_a_stop_is_told_at_once_and_only_of_who_types() -> None:
    typists = Typists()
    assert not typists.stop(seat())
    typists.start(seat(), SOCKET, 0)
    assert typists.stop(seat())
    assert not typists.stop(seat())
    assert typists.lapse(TYPING_SECONDS) == []
    assert len(typists) == 0


def test_who_starts_again_too_soon_is_told_when_the_time_has_come() -> None:
    typists = Typists()
    typists.start(seat(), SOCKET, 0)
    typists.stop(seat())
    assert not typists.start(seat(), SOCKET, 1)
    assert typists.lapse(1.9) == []
    assert typists.lapse(2) == [TypingTold(seat(), "start", SOCKET)]
    assert typists.lapse(1 + TYPING_SECONDS) == [TypingTold(seat(), "stop", SOCKET)]


def test_who_starts_and_stops_all_the_time_says_two_things_in_two_seconds() -> None:
    typists = Typists()
    said = 0
    for hundredth in range(100 * 20):
        now = hundredth / 100
        said += len(typists.lapse(now))
        said += typists.start(seat(), SOCKET, now)
        said += typists.stop(seat())
    assert said <= 2 * (20 / SIGNAL_SECONDS + 1)
    typists.lapse(20 + SIGNAL_SECONDS)
    assert len(typists) == 0


def test_a_note_and_a_message_are_typed_apart() -> None:
    typists = Typists()
    assert typists.start(seat(visibility="note"), SOCKET, 0)
    assert typists.start(seat(), SOCKET, 0)
    assert typists.stop(seat(visibility="note"))
    assert typists.stop(seat())


def test_who_leaves_types_no_longer_there_or_anywhere() -> None:
    typists = Typists()
    for where in ("conv_1", "conv_2"):
        for author in ("anna", "boris"):
            typists.start(seat(author, where), SOCKET, 0)
    typists.start(seat("boris", "conv_2"), OTHER, 1)
    assert {told.seat for told in typists.leave(SOCKET, "conv_1")} == {seat(), seat("boris")}
    assert [told.seat for told in typists.leave(SOCKET)] == [seat("anna", "conv_2")]
    assert typists.leave(SOCKET) == []
    assert typists.leave(OTHER) == [TypingTold(seat("boris", "conv_2"), "stop", OTHER)]
    typists.lapse(SIGNAL_SECONDS)
    assert len(typists) == 0


def test_a_conversation_has_room_for_so_many_and_gets_it_back() -> None:
    typists = Typists()
    for number in range(CONVERSATION_AUTHORS_MAX):
        typists.start(seat(str(number)), None, 0)
    with pytest.raises(OutOfRangeError):
        typists.start(seat("one more"), None, 0)
    assert typists.start(seat("one more", "conv_2"), None, 0)
    typists.start(seat("0"), None, 1)
    assert len(typists) == CONVERSATION_AUTHORS_MAX + 1
    assert len(typists.lapse(TYPING_SECONDS)) == CONVERSATION_AUTHORS_MAX
    assert typists.start(seat("one more"), None, TYPING_SECONDS)


def test_a_socket_speaks_for_so_many_and_no_more() -> None:
    typists = Typists()
    for number in range(SOCKET_AUTHORS_MAX):
        typists.start(seat(where=str(number)), SOCKET, 0)
    with pytest.raises(OutOfRangeError):
        typists.start(seat(where="one more"), SOCKET, 0)
    assert typists.start(seat(where="one more"), OTHER, 0)
    assert not typists.start(seat(where="0"), SOCKET, 0)
    typists.stop(seat(where="0"))
    assert typists.start(seat(where="another"), SOCKET, 0)


def test_an_environment_has_room_for_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roll, "ENVIRONMENT_AUTHORS_MAX", 3)
    typists = Typists()
    for number in range(3):
        typists.start(seat(where=str(number)), None, 0)
    with pytest.raises(BusyError):
        typists.start(seat(where="one more"), None, 0)
