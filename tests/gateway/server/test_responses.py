"""The bytes of responses, and of refusals before anything was read."""

import time
from email.utils import parsedate_to_datetime
from types import SimpleNamespace

import pytest
from httptools import HttpResponseParser

from gateway.api.contract import Response
from gateway.framing.chunked import LAST_CHUNK
from gateway.server import refusals, responses
from gateway.server.admission import Refusal


class Parsed:
    """A response as a foreign parser reads it."""

    def __init__(self, data: bytes) -> None:
        self.headers: dict[str, str] = {}
        self.body = b""
        self.complete = False
        parser = HttpResponseParser(self)
        parser.feed_data(data)
        self.status = parser.get_status_code()

    def on_header(self, name: bytes, value: bytes) -> None:
        assert name.decode().lower() not in self.headers
        self.headers[name.decode().lower()] = value.decode()

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self.complete = True


def whole(*, close: bool = False, bodiless: bool = False, status: int = 200) -> bytes:
    headers = (("Request-Id", "r1"), ("ETag", '"3"'))
    response = Response(status, b'{"a":1}', headers, "application/json")
    return responses.of(response, close=close, bodiless=bodiless)


@pytest.mark.parametrize("close", [False, True])
def test_a_whole_response_is_read_as_it_was_meant(*, close: bool) -> None:
    found = Parsed(whole(close=close, status=201))
    assert (found.status, found.body, found.complete) == (201, b'{"a":1}', True)
    assert found.headers == {
        "content-type": "application/json",
        "content-length": "7",
        "request-id": "r1",
        "etag": '"3"',
        "date": found.headers["date"],
        **({"connection": "close"} if close else {}),
    }


def test_a_response_to_a_head_request_is_the_head_alone() -> None:
    assert whole().startswith(head := whole(bodiless=True))
    assert head.endswith(b"\r\n\r\n")
    assert len(whole()) == len(head) + 7


def test_a_head_says_how_its_body_comes() -> None:
    head = responses.head(200, (("content-type", "text/event-stream"),), chunked=True, close=True)
    found = Parsed(head + b"3\r\nabc\r\n" + LAST_CHUNK)
    assert (found.body, found.complete) == (b"abc", True)
    assert found.headers["transfer-encoding"] == "chunked"
    assert found.headers["connection"] == "close"
    plain = Parsed(responses.head(200, (("content-length", "2"),), chunked=False, close=False))
    assert "transfer-encoding" not in plain.headers
    assert "connection" not in plain.headers


def test_every_status_has_a_line_also_those_without_a_name() -> None:
    assert responses.status_line(404) == "HTTP/1.1 404 Not Found\r\n"
    assert responses.status_line(599) == "HTTP/1.1 599 \r\n"
    assert (
        Parsed(responses.head(599, (("content-length", "0"),), chunked=False, close=True)).status
        == 599
    )


def test_the_date_is_the_time_and_goes_on_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for now in (1_700_000_000.9, 1_700_000_001.0, 1_800_000_000.5):
        clock = SimpleNamespace(
            time=lambda now=now: now, strftime=time.strftime, gmtime=time.gmtime
        )
        monkeypatch.setattr(responses, "time", clock)
        assert parsedate_to_datetime(responses.date()).timestamp() == int(now)
        assert responses.date().endswith(" GMT")


@pytest.mark.parametrize(("refusal", "status"), [(Refusal.FULL, 503), (Refusal.ADDRESS, 429)])
def test_who_is_turned_away_is_told_why_and_that_it_is_over(refusal: Refusal, status: int) -> None:
    found = Parsed(refusals.answer(refusal))
    assert (found.status, found.complete) == (status, True)
    assert found.headers["connection"] == "close"
    assert found.headers["content-type"] == "application/problem+json"
    assert b'"code"' in found.body
