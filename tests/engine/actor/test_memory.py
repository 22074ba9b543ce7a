"""The idempotency keys an actor remembers."""

import pytest

from engine.actor.memory import KeyMemory, Remembered
from engine.errors import IdempotencyMismatchError
from engine.limits import COMMAND_KEY_SECONDS, COMMAND_KEYS_REMEMBERED

DAY_MS = COMMAND_KEY_SECONDS * 1000


def name(number: int) -> bytes:
    return number.to_bytes(16)


def test_a_key_answers_with_the_version_it_caused() -> None:
    memory = KeyMemory()
    memory.remember(name(1), Remembered(7, b"body", 0))
    assert memory.version_of(name(1), b"body", now_ms=0) == 7
    assert memory.version_of(name(2), b"body", now_ms=0) is None


def test_another_body_is_refused() -> None:
    memory = KeyMemory()
    memory.remember(name(1), Remembered(7, b"body", 0))
    for fingerprint in (b"other", None):
        with pytest.raises(IdempotencyMismatchError):
            memory.version_of(name(1), fingerprint, now_ms=0)


def test_a_key_is_good_for_24_hours_to_the_millisecond() -> None:
    memory = KeyMemory()
    memory.remember(name(1), Remembered(7, b"body", 5))
    assert memory.version_of(name(1), b"body", now_ms=5 + DAY_MS) == 7
    assert memory.version_of(name(1), b"body", now_ms=6 + DAY_MS) is None
    assert memory.version_of(name(1), b"other", now_ms=6 + DAY_MS) is None


def test_the_newest_keys_are_kept_and_the_oldest_let_go() -> None:
    memory = KeyMemory()
    for number in range(COMMAND_KEYS_REMEMBERED + 2):
        memory.remember(name(number), Remembered(number, None, 0))
    known = [
        number
        for number in range(COMMAND_KEYS_REMEMBERED + 2)
        if memory.version_of(name(number), None, now_ms=0) is not None
    ]
    assert known == list(range(2, COMMAND_KEYS_REMEMBERED + 2))


def test_a_key_that_is_used_again_after_its_day_is_new_again() -> None:
    memory = KeyMemory()
    memory.remember(name(0), Remembered(1, b"old", 0))
    for number in range(1, COMMAND_KEYS_REMEMBERED):
        memory.remember(name(number), Remembered(number, None, 0))
    memory.remember(name(0), Remembered(9, b"new", 2 * DAY_MS))
    memory.remember(name(COMMAND_KEYS_REMEMBERED), Remembered(10, None, 2 * DAY_MS))
    assert memory.version_of(name(0), b"new", now_ms=2 * DAY_MS) == 9
