"""What is no frame, in either dialect: named, counted, and the third one ends the talk."""

from typing import Any

import msgspec
import pytest

from gateway.limits import FRAME_BYTES_MAX
from tests.support.realtime import JSON, MSGPACK, Message, Speech, Talk, talking
from tests.support.servers import Server

SHAPES: dict[str, Any] = {
    "no object": [],
    "nothing": None,
    "no op": {},
    "an unknown op": {"op": "nonsense"},
    "an unknown member": {"op": "ping", "loud": True},
    "a missing member": {"op": "message.create", "conversation": "conv_123"},
    "a member of a wrong type": {"op": "typing", "conversation": 7, "state": "start"},
    "a choice there is not": {"op": "presence", "conversation": "conv_123", "state": "maybe"},
    "too deep": {"op": "ping", "ref": [[[[]]]]},
    "100,000 conversations at once": {
        "op": "subscribe",
        "conversation": [f"c{at}" for at in range(20_000)],
    },
}
META = msgspec.msgpack.encode(
    {"op": "message.create", "conversation": "c", "message": {"text": "x", "metadata": {"a": 0}}}
)[:-1]
LIST_OF_4_G = b"\xdd\xff\xff\xff\xff"
RAW: dict[Speech, dict[str, Message]] = {
    JSON: {
        "no JSON": "nonsense",
        "cut short": '{"op":"ping"',
        "100 lists deep": '{"op":"ping","ref":' + "[" * 100 + "]" * 100 + "}",
        "100,000 lists deep": "[" * 100_000,
        "NaN": '{"op":"ping","ref":NaN}',
        "a text without an end": '"' + '\\"' * 100_000,
    },
    MSGPACK: {
        "a byte that is never used": b"\xc1",
        "cut short": b"\x81\xa2op",
        "an array of 4 G items": LIST_OF_4_G,
        "a map of 4 G members": b"\xdf\xff\xff\xff\xff",
        "arrays of 4 G items in each other": LIST_OF_4_G * 1_000 + bytes(FRAME_BYTES_MAX - 5_000),
        "a map whose keys are lists": b"\x81\x91\x01\x01",
        "metadata whose keys are lists": META + b"\x81\x91\x01\x01",
        "metadata of 4 G items": META + LIST_OF_4_G,
        "an extension": META + b"\xd4\x05\x00",
        "NaN": META + b"\xcb\x7f\xf8" + bytes(6),
        "1,000 arrays deep": b"\x91" * 1_000 + b"\xc0",
        "metadata 1,000 arrays deep": META + b"\x91" * 1_000 + b"\xc0",
        "text instead of bytes": '{"op":"ping"}',
    },
}
CASES = [
    *(
        pytest.param(speech, speech.write(SHAPES[name]), id=f"{name} in {speech.subprotocol}")
        for speech in RAW
        for name in SHAPES
    ),
    *(
        pytest.param(speech, message, id=f"{name} in {speech.subprotocol}")
        for speech, messages in RAW.items()
        for name, message in messages.items()
    ),
]


async def check_alive(talk: Talk) -> None:
    await talk.say("ping", ref="alive")
    assert (await talk.hear("pong"))["ref"] == "alive"


@pytest.mark.requirement("B55")
@pytest.mark.parametrize(("speech", "message"), CASES)
async def test_a_bad_frame_is_named_and_three_of_them_end_the_talk(
    server: Server, speech: Speech, message: Message
) -> None:
    async with talking(server.realtime_url, server.tenant.live, speech) as talk:
        for _ in range(2):
            await talk.say_raw(message)
            problem = (await talk.hear("error"))["problem"]
            assert problem["code"] == "bad_frame"
            assert problem["status"] == 400
            assert problem["type"] == "/problems/bad_frame"
            assert problem["request_id"].startswith("req_")
            await check_alive(talk)
        await talk.say_raw(message)
        frames, closed = await talk.closing()
    assert [frame["op"] for frame in frames] == ["error", "bye"]
    assert frames[1]["code"] == closed == 4000
    assert frames[1]["reconnect"] is False


CALLED: dict[str, tuple[bytes, str]] = {
    "an array of 4 G items": (LIST_OF_4_G, "bad_frame"),
    "1,000 arrays deep": (b"\x91" * 1_000 + b"\xc0", "bad_frame"),
    "40 arrays deep": (b"\x91" * 40 + b"\xc0", "too_deep"),
    "keys that are lists": (b"\x81\x91\x01\x01", "wrong_type"),
    "a member twice": (b"\x82\xa4text\xa1a\xa4text\xa1b", "duplicate_key"),
    "an extension": (b"\xd4\x05\x00", "wrong_type"),
    "NaN": (b"\xcb\x7f\xf8" + bytes(6), "wrong_type"),
}


@pytest.mark.requirement("B55")
@pytest.mark.parametrize("name", CALLED)
async def test_a_body_that_json_cannot_hold_is_refused_in_a_call(server: Server, name: str) -> None:
    body, code = CALLED[name]
    path = "/v1/conversations/conv_123/messages"
    call = {"op": "call", "ref": 7, "method": "POST", "path": path, "body": msgspec.Raw(body)}
    async with talking(server.realtime_url, server.tenant.live, MSGPACK) as talk:
        await talk.say_raw(msgspec.msgpack.encode(call))
        refused = await talk.hear("error")
        assert refused["problem"]["code"] == code
        if code != "bad_frame":
            assert refused["ref"] == 7
            assert refused["problem"]["instance"] == path
        await check_alive(talk)
