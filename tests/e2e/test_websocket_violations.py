"""What RFC 6455 forbids a client is refused in words, or answered with its close code."""

import json

import pytest

from gateway.limits import FRAGMENTS_MAX, FRAME_BYTES_MAX
from tests.support.answers import problem
from tests.support.exchanges import exchanging
from tests.support.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    close,
    ended_with,
    frame,
)
from tests.support.servers import Server
from tests.support.wire import handshake, wired

AGREED = b"\r\n\r\n"
OPENED = b'"op":"ready"'
SAID = frame(TEXT, b'{"op":"ping","ref":"said"}')

AGAINST_THE_PROTOCOL = {
    "a frame without a mask": frame(TEXT, b"{}", masked=False),
    "a reserved bit": frame(TEXT, b"{}", reserved=2),
    "another reserved bit": frame(TEXT, b"{}", reserved=1),
    "an opcode there is not": frame(3, b"{}"),
    "a control opcode there is not": frame(11),
    "nothing to continue": frame(CONTINUATION, b"{}"),
    "a text amid a text": frame(TEXT, b"{", final=False) + frame(TEXT, b"}"),
    "bytes amid a text": frame(TEXT, b"{", final=False) + frame(BINARY, b"}"),
    "a length in more bytes than it needs": frame(TEXT, b"{}", length=b"\x7e\0\2"),
    "a length in far more bytes": frame(TEXT, b"{}", length=b"\x7f" + (2).to_bytes(8)),
}
PINGS = {
    "in fragments": frame(PING, b"a", final=False) + frame(CONTINUATION, b"b"),
    "of 126 bytes": frame(PING, b"x" * 126),
    "a pong in fragments": frame(PONG, b"a", final=False),
    "a close of 126 bytes": frame(CLOSE, (1000).to_bytes(2) + b"x" * 124),
}
TEXTS = {
    "text that is none": frame(TEXT, b"\xff"),
    "half of a character": frame(TEXT, b"\xe2\x82"),
    "half of a pair": frame(TEXT, b"\xed\xa0\x80"),
    "a bad character over two fragments": frame(TEXT, b"\xe2", final=False)
    + frame(CONTINUATION, b"\x28\xa1"),
    "a reason that is no text": close(1000, b"\xff"),
}
CODES = {
    "half a code": frame(CLOSE, b"\x03"),
    **{f"the code {code}": close(code) for code in (0, 1, 999, 1004, 1005, 1006, 1015, 2999, 5000)},
}


UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
NO_HANDSHAKES: dict[str, tuple[dict[str, str], int, str]] = {
    "an old version": ({"Sec-WebSocket-Version": "8"}, 426, "upgrade_required"),
    "no version": ({"Sec-WebSocket-Version": ""}, 426, "upgrade_required"),
    "no key": ({"Sec-WebSocket-Key": ""}, 400, "bad_handshake"),
    "a key that is too short": ({"Sec-WebSocket-Key": "c2hvcnQ="}, 400, "bad_handshake"),
    "a key that is none": ({"Sec-WebSocket-Key": "!" * 24}, 400, "bad_handshake"),
    "a name twice": ({"Sec-WebSocket-Protocol": "a, a"}, 400, "bad_handshake"),
    "a name that is none": ({"Sec-WebSocket-Protocol": "a b"}, 400, "bad_handshake"),
}


@pytest.mark.parametrize("name", NO_HANDSHAKES)
async def test_a_handshake_that_is_none_is_refused_in_words(front_door: Server, name: str) -> None:
    headers, status, code = NO_HANDSHAKES[name]
    async with front_door.client(front_door.tenant.live) as client:
        answer = await client.get("/v1/realtime", headers=UPGRADE | headers)
        problem(answer, status, code)
        if status == 426:
            assert answer.headers["upgrade"] == "websocket"
            assert answer.headers["sec-websocket-version"] == "13"
        posted = await client.post("/v1/realtime", headers=UPGRADE)
        problem(posted, 405, "method_not_allowed")
        assert posted.headers["allow"] == "GET"


async def test_a_refused_upgrade_ends_its_connection_and_says_so(front_door: Server) -> None:
    for packet in (
        handshake(key="nonsense"),
        handshake().replace(b"Version: 13", b"Version: 8"),
        handshake().replace(b"/v1/realtime", b"/v1/nowhere"),
    ):
        async with exchanging(front_door.url) as exchanges:
            await exchanges.send(packet + b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            answer = await exchanges.answer()
            assert answer.status_code in {401, 404, 426}
            assert "close" in answer.headers["connection"]
            assert await exchanges.is_over()


async def closing(server: Server, packet: bytes) -> tuple[list[tuple[int, bytes]], int | None]:
    """Open a socket, say ``packet``; return what is answered, up to the end of the connection."""
    async with wired(server.url) as wire:
        await wire.send(handshake(key=server.tenant.live))
        opened = await wire.until(OPENED)
        assert b" 101 " in opened
        await wire.send(packet)
        opened += await wire.rest()
    frames, code = ended_with(opened.partition(AGREED)[2])
    return frames[1:], code


async def ends_with(server: Server, packet: bytes, code: int) -> None:
    frames, found = await closing(server, SAID + packet + SAID)
    assert found == code
    assert [json.loads(payload)["op"] for _, payload in frames] == ["pong"], "what came before it"


@pytest.mark.requirement("B46")
@pytest.mark.parametrize("name", AGAINST_THE_PROTOCOL)
async def test_a_frame_against_the_protocol_ends_it_with_1002(
    front_door: Server, name: str
) -> None:
    await ends_with(front_door, AGAINST_THE_PROTOCOL[name], 1002)


@pytest.mark.requirement("B47")
@pytest.mark.parametrize("name", PINGS)
async def test_a_control_frame_is_whole_and_short(front_door: Server, name: str) -> None:
    await ends_with(front_door, PINGS[name], 1002)


@pytest.mark.requirement("B48")
@pytest.mark.parametrize("name", TEXTS)
async def test_text_that_is_no_utf8_ends_it_with_1007(front_door: Server, name: str) -> None:
    await ends_with(front_door, TEXTS[name], 1007)


@pytest.mark.requirement("B48")
@pytest.mark.parametrize("name", CODES)
async def test_a_close_code_that_is_none_ends_it_with_1002(front_door: Server, name: str) -> None:
    await ends_with(front_door, CODES[name], 1002)


@pytest.mark.requirement("B49")
async def test_a_message_is_refused_by_its_announced_length(front_door: Server) -> None:
    for length, code in (
        ((2**63).to_bytes(8), 1002),
        ((2**64 - 1).to_bytes(8), 1002),
        ((10**12).to_bytes(8), 1009),
        ((FRAME_BYTES_MAX + 1).to_bytes(8), 1009),
    ):
        await ends_with(front_door, frame(BINARY, length=b"\x7f" + length), code)
    part = frame(TEXT, b" " * (FRAME_BYTES_MAX // 2), final=False)
    rest = frame(CONTINUATION, b" " * (FRAME_BYTES_MAX // 2 + 1))
    await ends_with(front_door, part + rest, 1009)


@pytest.mark.requirement("B49")
async def test_the_largest_message_is_read(front_door: Server) -> None:
    filled = b'{"op":"ping","ref":"' + b"x" * 64 + b'"}'
    part = frame(TEXT, b" " * (FRAME_BYTES_MAX - len(filled)), final=False)
    frames, code = await closing(front_door, part + frame(CONTINUATION, filled) + close(1000))
    assert [json.loads(payload)["op"] for _, payload in frames] == ["pong"]
    assert code == 1000


@pytest.mark.requirement("B50")
async def test_a_message_has_only_so_many_fragments(front_door: Server) -> None:
    begun = frame(TEXT, b"", final=False)
    empty = frame(CONTINUATION, b"", final=False)
    await ends_with(front_door, begun + empty * 200_000, 1008)
    fitting = begun + empty * (FRAGMENTS_MAX - 2)
    last = frame(CONTINUATION, b'{"op":"ping"}')
    frames, code = await closing(front_door, fitting + last + close(1000))
    assert [json.loads(payload)["op"] for _, payload in frames] == ["pong"]
    assert code == 1000


@pytest.mark.requirement("B51")
async def test_a_packed_message_is_refused_before_it_is_unpacked(front_door: Server) -> None:
    async with wired(front_door.url) as wire:
        offer = b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
        await wire.send(handshake(offer, key=front_door.tenant.live))
        opened = await wire.until(OPENED)
        assert b"extensions" not in opened.partition(AGREED)[0].lower()
        await wire.send(frame(TEXT, b"\xca\x49\x2d", reserved=4))
        frames, code = ended_with(opened.partition(AGREED)[2] + await wire.rest())
    assert len(frames) == 1
    assert code == 1002


async def test_a_close_is_answered_with_its_code(front_door: Server) -> None:
    for code in (1000, 1001, 3000, 4999):
        assert await closing(front_door, close(code, b"enough") + SAID) == ([], code)
    frames, code_of_none = await closing(front_door, frame(CLOSE))
    assert (frames, code_of_none) == ([], 0), "a close without a code is answered without one"


async def test_a_ping_is_answered_amid_a_message_too(front_door: Server) -> None:
    packet = frame(TEXT, b'{"op":', final=False) + frame(PING, b"there?")
    packet += frame(CONTINUATION, b'"ping"}') + frame(PONG, b"unasked") + close(1000)
    frames, code = await closing(front_door, packet)
    assert frames[0] == (PONG, b"there?")
    assert json.loads(frames[1][1])["op"] == "pong"
    assert code == 1000


async def test_frames_may_be_cut_anywhere(front_door: Server) -> None:
    said = frame(TEXT, b'{"op":"ping","ref":"%b"}' % (b"x" * 200)) * 2 + close(1000)
    async with wired(front_door.url) as wire:
        await wire.send(handshake(key=front_door.tenant.live))
        opened = await wire.until(OPENED)
        for at in range(len(said)):
            await wire.send(said[at : at + 1])
        opened += await wire.rest()
    frames, code = ended_with(opened.partition(AGREED)[2])
    assert [json.loads(payload)["op"] for _, payload in frames] == ["ready", "pong", "pong"]
    assert code == 1000
