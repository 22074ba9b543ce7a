"""What a WebSocket client says is read as RFC 6455 has it, or the connection is closed with why."""

import pytest

from gateway.framing.websocket import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    close_frame,
    close_payload,
    frame,
)
from gateway.server import websocket
from gateway.server.websocket import MessageReader, ViolationError, parse_close
from tests.gateway.server.masking import KEY, masked, said
from tests.support.splits import ways

MESSAGE_BYTES_MAX = 1_000
FRAGMENTS_MAX = 10

CONTINUATION = 0

Read = tuple[list[tuple[int, bytes]], int | None]


def reader() -> MessageReader:
    return MessageReader(message_bytes_max=MESSAGE_BYTES_MAX, fragments_max=FRAGMENTS_MAX)


def read(parts: list[bytes]) -> Read:
    """Return the messages, and the code of the violation behind them."""
    reading = reader()
    messages: list[tuple[int, bytes]] = []
    for part in parts:
        try:
            messages += reading.feed(part)
        except ViolationError as violation:
            return messages + reading.before, violation.code
        assert reading.buffered <= MESSAGE_BYTES_MAX + 125
    return messages, None


def read_anyhow(data: bytes) -> Read:
    """Return the same for all ways in which ``data`` may arrive."""
    whole = read([data])
    for parts in ways(data):
        assert read(parts) == whole, [len(part) for part in parts[:3]]
    return whole


def refused(data: bytes) -> int | None:
    """Return the code ``data`` is refused with, behind a message and before another one."""
    messages, code = read_anyhow(said(TEXT, b"before") + data + said(TEXT, b"behind"))
    assert messages[0] == (TEXT, b"before")
    assert (TEXT, b"behind") not in messages
    return code


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 124, 125, 126, 127, 999, 1_000])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_messages_of_every_length_are_read(opcode: int, size: int) -> None:
    payload = bytes(range(97, 123)) * 40
    assert read_anyhow(said(opcode, payload[:size]) * 2) == ([(opcode, payload[:size])] * 2, None)


@pytest.mark.parametrize("size", [2_999, 3_000, 3_001, 3_002, 3_003, 65_535, 65_536, 70_001])
def test_large_messages_are_read(size: int) -> None:
    payload = (b"0123456789\xff" * 7_000)[:size]
    reading = MessageReader(message_bytes_max=size, fragments_max=1)
    data = said(BINARY, payload) * 2
    drips = [data[at : at + 977] for at in range(0, len(data), 977)]
    for parts in ([data], [data[:9], data[9:]], drips):
        assert [one for part in parts for one in reading.feed(part)] == [(BINARY, payload)] * 2
        assert reading.buffered == 0


def test_fragments_are_joined_and_control_frames_come_in_between() -> None:
    data = (
        said(TEXT, b"caf\xc3", final=False)
        + said(PING, b"p")
        + said(CONTINUATION, b"", final=False)
        + said(PONG)
        + said(CONTINUATION, b"\xa9!")
        + said(BINARY, b"\xff", final=False)
        + said(CONTINUATION, b"\xfe")
        + said(TEXT, b"next")
    )
    assert read_anyhow(data) == (
        [
            (PING, b"p"),
            (PONG, b""),
            (TEXT, "café!".encode()),
            (BINARY, b"\xff\xfe"),
            (TEXT, b"next"),
        ],
        None,
    )


def test_a_message_is_given_as_soon_as_its_last_byte_is_there() -> None:
    reading = reader()
    data = said(TEXT, b"hello")
    assert reading.feed(data[:-1]) == []
    assert reading.buffered == 4
    assert reading.feed(data[-1:]) == [(TEXT, b"hello")]
    assert reading.buffered == 0


def test_behind_a_close_nothing_is_read() -> None:
    closing = said(CLOSE, b"\x03\xe8bye")
    data = said(TEXT, b"a") + closing + said(TEXT, b"b") + b"\xff\xff\xff"
    assert read_anyhow(data) == ([(TEXT, b"a"), (CLOSE, b"\x03\xe8bye")], None)


def test_a_close_may_come_amid_a_message() -> None:
    data = said(TEXT, b"a", final=False) + said(CLOSE)
    assert read_anyhow(data) == ([(CLOSE, b"")], None)
    reading = reader()
    assert reading.feed(data) == [(CLOSE, b"")]
    assert reading.buffered == 0


VIOLATIONS = {
    "a text without a mask": (frame(TEXT, b"hello"), 1002),
    "a ping without a mask": (frame(PING, b""), 1002),
    "a close without a mask": (close_frame(1000, ""), 1002),
    "the first reserved bit": (said(TEXT | 0x40, b"x"), 1002),
    "the second reserved bit": (said(TEXT | 0x20, b"x"), 1002),
    "the third reserved bit": (said(TEXT | 0x10, b"x"), 1002),
    "a reserved bit of a ping": (said(PING | 0x40), 1002),
    "a reserved bit amid a message": (
        said(TEXT, b"x", final=False) + said(CONTINUATION | 0x40, b"y"),
        1002,
    ),
    **{f"opcode {code}": (said(code, b"x"), 1002) for code in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "nothing to continue": (said(CONTINUATION, b"x"), 1002),
    "nothing left to continue": (
        said(TEXT, b"x", final=False) + said(CONTINUATION, b"y") + said(CONTINUATION, b"z"),
        1002,
    ),
    "a text amid a text": (said(TEXT, b"x", final=False) + said(TEXT, b"y"), 1002),
    "a binary amid a text": (said(TEXT, b"x", final=False) + said(BINARY, b"", final=False), 1002),
    "a fragmented ping": (said(PING, b"x", final=False), 1002),
    "a fragmented close": (said(CLOSE, b"", final=False), 1002),
    "a ping of 126 bytes": (said(PING, b"x" * 126), 1002),
    "a pong of 65,536 bytes": (said(PONG, b"x" * 65_536)[:40], 1002),
    "a close of 126 bytes": (said(CLOSE, b"\x03\xe8" + b"x" * 124), 1002),
    "125 in two bytes": (b"\x81\xfe\x00\x7d" + KEY + b"x" * 125, 1002),
    "0 in two bytes": (b"\x81\xfe\x00\x00" + KEY, 1002),
    "65,535 in eight bytes": (b"\x82\xff" + (65_535).to_bytes(8, "big") + KEY, 1002),
    "1 in eight bytes": (b"\x82\xff" + (1).to_bytes(8, "big") + KEY + b"x", 1002),
    "a length of 2^63": (b"\x82\xff" + (2**63).to_bytes(8, "big"), 1002),
    "a length of 2^64 - 1": (b"\x82\xff" + b"\xff" * 8, 1002),
    "a length of 1 TB": (b"\x82\xff" + (2**40).to_bytes(8, "big"), 1009),
    "a length of 17 MiB": (b"\x81\xff" + (17 * 2**20).to_bytes(8, "big"), 1009),
    "one byte too many": (b"\x81\xfe" + (MESSAGE_BYTES_MAX + 1).to_bytes(2, "big"), 1009),
    "one byte too many in fragments": (
        said(TEXT, b"x" * (MESSAGE_BYTES_MAX - 1), final=False) + b"\x00\x82",
        1009,
    ),
    "a text that is not UTF-8": (said(TEXT, b"\xff"), 1007),
    "an overlong character": (said(TEXT, b"\xc0\xaf"), 1007),
    "a surrogate": (said(TEXT, b"\xed\xa0\x80"), 1007),
    "a character beyond Unicode": (said(TEXT, b"\xf4\x90\x80\x80"), 1007),
    "half a character": (said(TEXT, b"caf\xc3"), 1007),
    "half a character in fragments": (
        said(TEXT, b"caf", final=False) + said(CONTINUATION, b"\xc3"),
        1007,
    ),
    "half a close code": (said(CLOSE, b"\x03"), 1002),
    "a close reason that is not UTF-8": (said(CLOSE, b"\x03\xe8\xff"), 1007),
    "half a character in a close reason": (said(CLOSE, b"\x03\xe8caf\xc3"), 1007),
    "more fragments than there may be": (
        said(TEXT, b"x", final=False) + said(CONTINUATION, b"", final=False) * FRAGMENTS_MAX,
        1008,
    ),
}


@pytest.mark.parametrize(("data", "code"), VIOLATIONS.values(), ids=VIOLATIONS)
def test_a_violation_is_refused_with_its_code(data: bytes, code: int) -> None:
    assert refused(data) == code


@pytest.mark.parametrize(
    "code", [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535]
)
def test_a_close_code_that_is_never_sent_is_refused(code: int) -> None:
    assert refused(said(CLOSE, code.to_bytes(2, "big"))) == 1002
    with pytest.raises(ValueError, match=f"{code} is no code"):
        close_payload(code, "")


@pytest.mark.parametrize(
    "code",
    [1000, 1001, 1002, 1003, *range(1007, 1015), 3000, 3999, 4000, 4999],
)
def test_a_close_code_that_is_registered_or_an_applications_own_is_read(code: int) -> None:
    payload = code.to_bytes(2, "big") + "größer".encode()
    assert read_anyhow(said(CLOSE, payload)) == ([(CLOSE, payload)], None)
    assert parse_close(payload) == (code, "größer")
    assert close_payload(code, "größer") == payload


def test_a_close_without_a_code_has_the_code_that_says_so() -> None:
    assert parse_close(b"") == (1005, "")


def test_a_length_is_refused_as_soon_as_it_is_announced() -> None:
    for announced, code in (
        (b"\x82\xff" + (2**63).to_bytes(8, "big"), 1002),
        (b"\x82\xff" + (2**40).to_bytes(8, "big"), 1009),
        (b"\x81\xfe\x03\xe9", 1009),
        (b"\x89\xfe", 1002),
        (b"\x81\x05", 1002),
    ):
        assert read([announced]) == ([], code)
        assert read([announced[:-1]]) == ([], None)


def test_what_is_announced_is_not_kept_room_for() -> None:
    reading = MessageReader(message_bytes_max=2**40, fragments_max=1)
    assert reading.feed(b"\x82\xff" + (2**40).to_bytes(8, "big") + KEY + b"xyz") == []
    assert reading.buffered == 3


def test_as_many_fragments_are_read_as_there_may_be() -> None:
    first, middle = said(TEXT, b"x", final=False), said(CONTINUATION, b"", final=False)
    most = first + middle * (FRAGMENTS_MAX - 2) + said(CONTINUATION, b"y")
    assert read_anyhow(most * 2) == ([(TEXT, b"xy")] * 2, None)


def test_fragments_may_fill_a_message_to_the_last_byte_and_pings_take_none_of_it() -> None:
    most = b"x" * MESSAGE_BYTES_MAX
    data = said(BINARY, most, final=False) + said(PING, b"y" * 125) + said(CONTINUATION)
    assert read_anyhow(data * 2) == ([(PING, b"y" * 125), (BINARY, most)] * 2, None)


def test_a_violation_is_raised_again_and_nothing_is_kept_for_it() -> None:
    reading = reader()
    with pytest.raises(ViolationError):
        reading.feed(said(TEXT, b"a") + said(TEXT, b"b", final=False) + said(TEXT, b"c"))
    assert reading.before == [(TEXT, b"a")]
    assert reading.buffered == 0
    with pytest.raises(ViolationError):
        reading.feed(said(TEXT, b"d"))
    assert reading.before == []
    assert reading.buffered == 0


def test_what_is_read_is_not_kept() -> None:
    reading = reader()
    assert reading.feed(said(TEXT, b"a")) == [(TEXT, b"a")]
    assert reading.before == []


@pytest.mark.parametrize("size", range(9))
def test_a_mask_taken_twice_changes_nothing(size: int) -> None:
    payload = b"\x00\xff\x80\x7fabcd"[:size]
    assert websocket.unmask(payload, KEY) == masked(payload, KEY)
    assert websocket.unmask(websocket.unmask(payload, KEY), KEY) == payload
