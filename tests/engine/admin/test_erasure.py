"""What the entries of a ledger of erasures say together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.admin.erasure import Begun, Done, Erasure, Register, encode, receipt_mac
from engine.errors import IdempotencyMismatchError
from engine.log.codec import UnknownFormatError

FIRST = Begun("era_1", "usr_1", "usr_1", 7, b"sealed", b"key", b"body")
AGAIN = Begun("era_2", "usr_1", "usr_1#1", 8)
OTHER = Begun("era_3", "usr_2", "usr_2", 9)


def folded(*entries: Begun | Done) -> Register:
    register = Register()
    for entry in entries:
        register.fold(encode(entry))
    return register


def test_an_erasure_is_open_until_it_is_said_to_be_done() -> None:
    register = folded(FIRST, OTHER, Done(number=1, position=5))
    assert [(one.number, one.begun, one.is_done) for one in register] == [
        (1, FIRST, True),
        (2, OTHER, False),
    ]
    assert register.find("era_1") == Erasure(1, FIRST, 5)
    assert register.find("era_9") is None
    assert register.entries == 3


def test_the_newest_erasure_of_a_subject_counts() -> None:
    register = folded(FIRST, Done(1, 5), OTHER, AGAIN)
    assert register.newest_of("usr_1") == Erasure(4, AGAIN)
    assert register.newest_of("usr_9") is None


def test_an_idempotency_key_is_of_one_body() -> None:
    register = folded(FIRST, Done(1, 5), AGAIN)
    assert register.asked_before(b"key", b"body") == Erasure(1, FIRST, 5)
    assert register.asked_before(b"other", b"body") is None
    assert register.asked_before(None, None) is None
    with pytest.raises(IdempotencyMismatchError):
        register.asked_before(b"key", b"another body")


@pytest.mark.parametrize(
    "line", [b"", b"{}", b'{"entry":"later"}', b"\xff", b'{"entry":"done","number":9,"position":1}']
)
def test_an_entry_that_is_not_known_is_refused_and_not_counted(line: bytes) -> None:
    register = folded(FIRST)
    with pytest.raises(UnknownFormatError, match="entry 2"):
        register.fold(line)
    assert register.entries == 1


def test_every_part_of_a_receipt_is_under_its_mac() -> None:
    done = Erasure(1, FIRST, 5)
    macs = {
        receipt_mac(key, one)
        for key in (bytes(32), b"k" * 32)
        for one in (
            done,
            replace(done, number=2),
            replace(done, position=6),
            replace(done, begun=replace(FIRST, id="era_2")),
            replace(done, begun=replace(FIRST, subject="usr_2")),
            replace(done, begun=replace(FIRST, time_ms=8)),
        )
    }
    assert len(macs) == 12


@given(st.lists(st.tuples(st.sampled_from(["usr_1", "usr_2"]), st.booleans()), max_size=12))
def test_a_register_is_the_same_however_often_it_is_read(asked: list[tuple[str, bool]]) -> None:
    lines: list[bytes] = []
    for subject, done in asked:
        lines.append(encode(Begun(f"era_{len(lines)}", subject, subject, 1)))
        if done:
            lines.append(encode(Done(len(lines), len(lines))))
    registers = [Register(), Register()]
    for line in lines:
        for register in registers:
            register.fold(line)
    assert list(registers[0]) == list(registers[1])
    assert [one.is_done for one in registers[0]] == [done for _, done in asked]
    for subject in ("usr_1", "usr_2"):
        own = [one for one in registers[0] if one.begun.subject == subject]
        assert registers[0].newest_of(subject) == (own[-1] if own else None)
