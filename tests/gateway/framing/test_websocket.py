"""What a server says over a WebSocket is framed as RFC 6455 has it."""

import pytest

from gateway.framing.websocket import BINARY, PONG, TEXT, close_frame, close_payload, frame
from gateway.server.websocket import parse_close
from tests.gateway.server.masking import length_of


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 70_000])
def test_a_frame_of_the_server_has_no_mask_and_the_shortest_length(size: int) -> None:
    payload = b"x" * size
    assert frame(TEXT, payload) == frame(BINARY, payload).replace(b"\x82", b"\x81", 1)
    head = bytes([0x81]) + bytes([length_of(size)[0] & 0x7F]) + length_of(size)[1:]
    assert frame(TEXT, payload) == head + payload


def test_control_frames_of_the_server_are_written_alike() -> None:
    assert frame(PONG, b"x") == b"\x8a\x01x"
    assert close_frame(1000, "bye") == b"\x88\x05\x03\xe8bye"


def test_a_close_reason_that_is_too_long_is_cut_between_characters() -> None:
    for reason, cut in (("x" * 200, "x" * 123), ("é" * 100, "é" * 61), ("€" * 50, "€" * 41)):
        payload = close_payload(1008, reason)
        assert len(payload) <= 125
        assert parse_close(payload) == (1008, cut)
