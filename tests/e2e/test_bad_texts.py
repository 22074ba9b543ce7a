"""Texts that are too long, that pile up marks or turn around: refused, or kept and flagged."""

from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from engine.limits import (
    MARKS_IN_A_ROW_MAX,
    MESSAGE_TEXT_BYTES_MAX,
    MESSAGE_TEXT_CHARACTERS_MAX,
)
from tests.support.answers import Refusals, fault_of
from tests.support.realtime import talking
from tests.support.servers import Server
from tests.support.streams import SSE, following
from tests.support.talk import AGENT, CONVERSATION, EVENTS, MESSAGES, get, position, post

LARGE: Refusals = {(413, "too_large")}
FORBIDDEN: Refusals = {(422, "forbidden_character")}
OUT_OF_RANGE: Refusals = {(422, "out_of_range")}
MALFORMED: Refusals = {(400, "malformed_json")}
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466"

BAD: dict[str, tuple[str, Refusals]] = {
    "a megabyte": ("x" * 1_000_000, LARGE),
    "32 KiB and one byte": ("é" * (MESSAGE_TEXT_BYTES_MAX // 2) + "x", LARGE),
    "one code point too many": ("x" * (MESSAGE_TEXT_CHARACTERS_MAX + 1), OUT_OF_RANGE),
    "10,000 combining marks": ("a" + "\u0301" * 10_000, FORBIDDEN),
    "marks of every kind": ("a" + "\u0301\u0323\u034f\u0489\u20dd" * 2_000, FORBIDDEN),
    "10,000 marks of Thai": ("\u0e01" + "\u0e47" * 10_000, FORBIDDEN),
    "10,000 enclosing marks": ("a" + "\u20dd" * 10_000, FORBIDDEN),
    "one mark too many": ("a" + "\u0301" * (MARKS_IN_A_ROW_MAX + 1), FORBIDDEN),
    "a grapheme of 64 KB": ("a" + "\u0301" * 32_768, LARGE),
    "a grapheme of joined emoji of 64 KB": (FAMILY[0] + ("\u200d" + FAMILY[0]) * 9_362, LARGE),
    "nothing": ("", OUT_OF_RANGE),
    "a bell": ("a\x07", FORBIDDEN),
    "an escape": ("a\x1b[2J", FORBIDDEN),
    "a deletion": ("a\x7f", FORBIDDEN),
}

GOOD: dict[str, str] = {
    "the longest of one byte each": "x" * MESSAGE_TEXT_CHARACTERS_MAX,
    "32 KiB": "é" * (MESSAGE_TEXT_BYTES_MAX // 2),
    "as many marks as a letter may have": "a" + "\u0301" * MARKS_IN_A_ROW_MAX,
    "a family": FAMILY,
    "a flag, a tone and a keycap": "\U0001f1eb\U0001f1f7\U0001f44d\U0001f3fd1\ufe0f\u20e3",
    "Hindi, Thai and Hebrew with points": "क्षत्रिय ที่นี่ שָׁלוֹם",
    "Korean by its letters": "\u1112\u1161\u11ab\u1100\u1173\u11af",
    "line breaks and tabs": "one\r\n\ttwo\n",
    "whitespace alone": " \t\n\u3000",
    "noncharacters and private ones": "\ufffe\uffff\ue000\U0010ffff",
    "a line separator": "one\u2028two\u0085three",
}

TURNING: dict[str, str] = {
    "an override": "invoice\u202egpj.exe",
    "an embedding": "\u202aa\u202c",
    "an isolate": "\u2067abc\u2069",
    "a mark": "a\u200fb",
    "an Arabic mark": "a\u061cb",
}


@dataclass
class Door:
    """A way by which a text comes in, over HTTP."""

    method: str
    path: str

    async def send(self, client: httpx2.AsyncClient, text: str) -> httpx2.Response:
        body = {"text": text} | ({"author": AGENT} if self.method == "POST" else {})
        return await client.request(self.method, self.path, json=body, headers={"If-Match": "*"})


async def door(client: httpx2.AsyncClient, way: str) -> Door:
    message = await post(client, author=AGENT)
    if way == "a message":
        return Door("POST", MESSAGES)
    return Door("PATCH", f"{MESSAGES}/{message['id']}")


WAYS = pytest.mark.parametrize("way", ["a message", "an edit"])


@pytest.mark.requirement("B39")
@WAYS
@pytest.mark.parametrize("what", BAD)
async def test_a_bad_text_is_refused_and_nothing_is_written(
    server: Server, way: str, what: str
) -> None:
    text, refusals = BAD[what]
    async with server.client(server.tenant.live) as client:
        sent = await door(client, way)
        answer = await sent.send(client, text)
        assert fault_of(answer, refusals) is None, answer.text[:300]
        assert await position(server) == 2
        assert text[:40] not in answer.text or not text
    async with server.client(server.tenant.live) as client:
        assert (await sent.send(client, "Hello")).is_success


@WAYS
@pytest.mark.parametrize("half", [rb"\ud800", rb"\udfff", rb"\ud83dx", rb"\ude00\ud83d"])
async def test_half_a_pair_is_no_text(server: Server, way: str, half: bytes) -> None:
    async with server.client(server.tenant.live) as client:
        sent = await door(client, way)
        answer = await client.request(
            sent.method,
            sent.path,
            content=b'{"text":"a' + half + b'"}',
            headers={"If-Match": "*", "Content-Type": "application/json"},
        )
        assert fault_of(answer, MALFORMED) is None, answer.text
        assert await position(server) == 2


@WAYS
@pytest.mark.parametrize("what", GOOD)
async def test_a_text_comes_back_as_it_was_sent(server: Server, way: str, what: str) -> None:
    async with server.client(server.tenant.live) as client:
        sent = await door(client, way)
        answer = await sent.send(client, GOOD[what])
        assert answer.is_success, answer.text[:300]
        message = answer.json()
        assert (message["text"], "flags" in message) == (GOOD[what], False)
        assert await get(client, f"{MESSAGES}/{message['id']}") == message
        (event,) = (await get(client, EVENTS, after="2"))["data"]
        assert (event["data"]["text"], "flags" in event["data"]) == (GOOD[what], False)
        async with following(client, EVENTS, SSE, after="2") as stream:
            assert await stream.take(1) == [event]


@pytest.mark.requirement("B39")
@WAYS
@pytest.mark.parametrize("what", TURNING)
async def test_a_text_that_turns_around_is_kept_and_flagged(
    server: Server, way: str, what: str
) -> None:
    async with server.client(server.tenant.live) as client:
        sent = await door(client, way)
        message = (await sent.send(client, TURNING[what])).json()
        assert (message["text"], message["flags"]) == (TURNING[what], ["bidi_controls"])
        path = f"{MESSAGES}/{message['id']}"
        assert await get(client, path) == message
        assert message in (await get(client, MESSAGES))["data"]
        (event,) = (await get(client, EVENTS, after="2"))["data"]
        assert event["data"]["text"] == TURNING[what]
        assert event["data"]["flags"] == ["bidi_controls"]
        noted = await client.patch(path, json={"metadata": {"a": 1}}, headers={"If-Match": "*"})
        assert noted.json()["flags"] == ["bidi_controls"]
        plain = await client.patch(path, json={"text": "plain"}, headers={"If-Match": "*"})
        assert "flags" not in plain.json()


@pytest.mark.requirement("B39")
async def test_a_bad_text_is_refused_on_a_socket(server: Server) -> None:
    async with talking(server.realtime_url, server.tenant.live) as talk:
        for what in ("32 KiB and one byte", "one code point too many", "10,000 combining marks"):
            text, refusals = BAD[what]
            refused = await talk.refused(
                "message.create", conversation="conv_123", message={"text": text}
            )
            assert (refused["status"], refused["code"]) in refusals, what
        assert await position(server) == 0
        await talk.post("conv_123", FAMILY)
        await talk.post("conv_123", TURNING["an override"])
        await talk.asked("subscribe", conversation="conv_123", after=1)
        family, turned = await talk.events(2)
        assert (family.event["data"]["text"], "flags" in family.event["data"]) == (FAMILY, False)
        assert turned.event["data"]["flags"] == ["bidi_controls"]


@pytest.mark.parametrize("name", ["tags", "channel"])
async def test_what_a_conversation_is_sorted_by_has_no_bad_text_either(
    server: Server, name: str
) -> None:
    async with server.client(server.tenant.live) as client:
        await post(client)
        for text, refusals in (
            ("", OUT_OF_RANGE),
            ("x" * 65, OUT_OF_RANGE),
            ("a" + "\u0301" * (MARKS_IN_A_ROW_MAX + 1), FORBIDDEN),
            ("a\x07", FORBIDDEN),
            ("a\0", FORBIDDEN),
        ):
            value: Any = [text] if name == "tags" else text
            answer = await client.patch(CONVERSATION, json={name: value}, headers={"If-Match": "*"})
            assert fault_of(answer, refusals) is None, (text[:9], answer.text)
        many = {"tags": [f"tag {number}" for number in range(65)]}
        answer = await client.patch(CONVERSATION, json=many, headers={"If-Match": "*"})
        assert fault_of(answer, OUT_OF_RANGE) is None, answer.text
        assert await position(server) == 2
