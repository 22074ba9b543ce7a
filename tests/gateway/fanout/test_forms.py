"""The wire formats of events: the same bytes for all, made once, and read by foreign parsers."""

import json
from typing import Any

import msgspec
import pytest
from wsproto.frame_protocol import FrameProtocol, Opcode

from engine.log.event import CUSTOMER, STAFF
from gateway.fanout import forms
from gateway.fanout.forms import Form, websocket_form
from gateway.framing.chunked import chunk
from gateway.realtime.dialects import json as json_dialect
from gateway.realtime.dialects import msgpack as msgpack_dialect
from gateway.realtime.dialects.dialect import Dialect
from tests.gateway.server.test_stream_line import dechunked
from tests.support.desks import opened

DIALECTS = pytest.mark.parametrize("dialect", [json_dialect.DIALECT, msgpack_dialect.DIALECT])


@DIALECTS
async def test_a_framed_event_is_one_message_of_the_dialect(dialect: Dialect) -> None:
    async with opened() as desk:
        event, log = (await desk.post(desk.staff)).event, desk.environment.log
        plain = websocket_form(dialect, framed=False)
        framed = websocket_form(dialect, framed=True)
        protocol = FrameProtocol(client=True, extensions=[])
        protocol.receive_bytes(framed.frame(log, event, STAFF))
        (found,) = protocol.received_frames()
        assert found.opcode is (Opcode.BINARY if dialect.binary else Opcode.TEXT)
        said: Any = found.payload
        payload = bytes(said) if dialect.binary else said.encode()
        assert payload == plain.frame(log, event, STAFF)
        decode = msgspec.msgpack.decode if dialect.binary else json.loads
        assert decode(payload)["version"] == event.version


@DIALECTS
def test_a_dialect_has_one_form_of_each_kind(dialect: Dialect) -> None:
    assert websocket_form(dialect, framed=True) is websocket_form(dialect, framed=True)
    assert websocket_form(dialect, framed=True) != websocket_form(dialect, framed=False)


@DIALECTS
def test_messages_that_are_not_framed_are_never_joined(dialect: Dialect) -> None:
    assert not websocket_form(dialect, framed=False).joinable
    assert websocket_form(dialect, framed=True).joinable


@pytest.mark.parametrize("form", [forms.SSE_CHUNKED, forms.NDJSON_CHUNKED])
async def test_bytes_are_made_once_for_an_audience(form: Form) -> None:
    async with opened() as desk:
        event, log = (await desk.post(desk.staff)).event, desk.environment.log
        made = [form.frame(log, event, audience) for audience in (STAFF, CUSTOMER)]
        for audience, first in zip((STAFF, CUSTOMER), made, strict=True):
            assert form.frame(log, event, audience) is first
            assert dechunked(first) == ([first.split(b"\r\n", 1)[1][:-2]], False)


async def test_a_chunk_holds_what_the_plain_form_says() -> None:
    async with opened() as desk:
        event, log = (await desk.post(desk.staff)).event, desk.environment.log
        for plain, chunked in (
            (forms.SSE_PLAIN, forms.SSE_CHUNKED),
            (forms.NDJSON_PLAIN, forms.NDJSON_CHUNKED),
        ):
            expected = chunk(plain.frame(log, event, STAFF))
            assert chunked.frame(log, event, STAFF) == expected
