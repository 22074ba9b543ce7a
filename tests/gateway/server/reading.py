"""What a reader of requests tells of, for bytes that arrive in all ways."""

import pytest

from gateway.server.http1 import Incoming, RefusedRequestError, RequestReader
from tests.support.splits import ways

HOST = b"Host: a.example"
GET = b"GET /v1/x?limit=5 HTTP/1.1\r\n" + HOST + b"\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\n" + HOST + b"\r\nTransfer-Encoding: chunked\r\n\r\n"


def never(found: object) -> None:
    """Stand where nothing is to be told."""
    pytest.fail(f"told of {found}")


def read(*parts: bytes) -> tuple[list[Incoming], list[str]]:
    """Return the requests that were told of, and the codes of refusals."""
    told: list[Incoming] = []
    refused: list[RefusedRequestError] = []
    reader = RequestReader(on_request=told.append, on_refused=refused.append)
    for part in parts:
        reader.feed(part)
    return told, [error.code for error in refused]


def read_anyhow(data: bytes) -> tuple[list[Incoming], list[str]]:
    """Return the same for all ways in which ``data`` may arrive."""
    whole = read(data)
    for parts in ways(data):
        assert read(*parts) == whole, [len(part) for part in parts[:3]]
    return whole


def only(data: bytes) -> Incoming:
    told, refused = read_anyhow(data)
    assert refused == []
    assert len(told) == 1
    return told[0]


def request(*lines: bytes, body: bytes = b"") -> bytes:
    return b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body
