"""What is said between this server and an ASGI application, and in which order. Pure.

ASGI 3, HTTP specification 2.5: https://asgi.readthedocs.io/en/latest/specs/www.html.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes

Headers = list[tuple[bytes, bytes]]
Message = Mapping[str, Any]

VERSIONS = {"version": "3.0", "spec_version": "2.5"}
START, BODY = "http.response.start", "http.response.body"

_OF_ONE_CONNECTION = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"}
)
"""Ours to send: they speak of the connection, not of the answer (RFC 9110, section 7.6.1)."""

_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(rb"[^\0\r\n]*")
_STATUS_MIN, _STATUS_MAX = 200, 599
_NO_CONTENT, _NOT_MODIFIED = 204, 304


class MisbehavedError(RuntimeError):
    """The application has said what cannot be said at this place. Raised into it."""


class RequestHead(Protocol):
    """What a scope is made from: a request as it came, each byte a character of Latin-1."""

    @property
    def method(self) -> str:
        """The method, in upper case."""

    @property
    def raw_path(self) -> str:
        """The path as it came, without the query."""

    @property
    def query(self) -> str:
        """What stands behind the first question mark."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, by name in lower case."""

    @property
    def http_version(self) -> str:
        """``1.0`` or ``1.1``."""


def http_scope(
    head: RequestHead,
    *,
    scheme: str,
    client: tuple[str, int] | None,
    server: tuple[str, int | None] | None,
    state: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the scope of a request.

    Args:
        head: the request.
        scheme: ``http`` or ``https``.
        client: address and port of who asks.
        server: address and port that were connected to.
        state: what the application has left in the state of its lifespan.
    """
    raw_path = head.raw_path.encode("latin-1")
    return {
        "type": "http",
        "asgi": VERSIONS,
        "http_version": head.http_version,
        "method": head.method,
        "scheme": scheme,
        "path": unquote_to_bytes(raw_path).decode("utf-8", "replace") or "/",
        "raw_path": raw_path,
        "query_string": head.query.encode("latin-1"),
        "root_path": "",
        "headers": [
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in head.headers.items()
        ],
        "client": client,
        "server": server,
        "state": dict(state or {}),
        "extensions": {},
    }


@dataclass(frozen=True, slots=True)
class Part:
    """A part of an answer that can be sent."""

    head: tuple[int, Headers] | None
    """Status and headers, with the first part."""
    body: bytes
    more: bool


class Answer:
    """One answer as an application gives it, message by message.

    Status and headers are held back until the first bytes of the body are there, as the
    specification asks: until then, a failure can still be answered with a status of its own.
    """

    def __init__(self, method: str) -> None:
        """Expect an answer to ``method``."""
        self._method = method
        self._head: tuple[int, Headers] | None = None
        self._bodiless = False
        self._bytes_to_come: int | None = None
        self._spoilt = False
        self.begun = False
        """Whether a part was given out."""
        self.complete = False
        """Whether the last one was."""

    def take(self, message: Message) -> Part | None:
        """Take a message of the application; return what can be sent now, if anything.

        An answer without a body (to a HEAD, 204, 304) is complete with its first message of one;
        what else the application has for it is dropped.

        Raises:
            MisbehavedError: the message does not belong here. A bad start may be followed by a good
                one; a body that is not as long as was said is never complete.
        """
        kind = message.get("type")
        if kind == START and self._head is None:
            self._head = self._checked(message)
            return None
        if kind != BODY or self._head is None or self._spoilt:
            raise MisbehavedError(f"{kind!r} does not belong here")
        body, more = _bytes(message.get("body", b"")), bool(message.get("more_body"))
        if self._bodiless:
            return None if self.complete else self._part(b"", more=False)
        if self.complete:
            raise MisbehavedError("the answer is complete")
        self._count(len(body), more=more)
        return self._part(body, more=more)

    def _checked(self, message: Message) -> tuple[int, Headers]:
        status = message.get("status")
        if not isinstance(status, int) or not _STATUS_MIN <= status <= _STATUS_MAX:
            raise MisbehavedError(f"{status!r} is no status of an answer")
        headers = [_header(*pair) for pair in message.get("headers", ())]
        headers = [pair for pair in headers if pair[0] not in _OF_ONE_CONNECTION]
        self._bytes_to_come = _length(headers)
        self._bodiless = self._method == "HEAD" or status in {_NO_CONTENT, _NOT_MODIFIED}
        if status == _NO_CONTENT:
            headers = [pair for pair in headers if pair[0] != b"content-length"]
        return status, headers

    def _count(self, length: int, *, more: bool) -> None:
        if self._bytes_to_come is None:
            return
        self._bytes_to_come -= length
        if self._bytes_to_come < 0 or (self._bytes_to_come > 0 and not more):
            self._spoilt = True
            raise MisbehavedError("the body is not as long as its Content-Length says")

    def _part(self, body: bytes, *, more: bool) -> Part:
        head = None if self.begun else self._head
        self.begun = True
        self.complete = not more
        return Part(head, body, more)


def _bytes(value: Any) -> bytes:
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    raise MisbehavedError(f"{type(value).__name__} are no bytes")


def _header(name: Any, value: Any) -> tuple[bytes, bytes]:
    """Return a header that cannot end its own line (RFC 9110, section 5.5)."""
    pair = _bytes(name).lower(), _bytes(value)
    if not _NAME.fullmatch(pair[0]) or not _VALUE.fullmatch(pair[1]):
        raise MisbehavedError(f"{pair[0]!r} cannot be sent as a header")
    return pair


def _length(headers: Headers) -> int | None:
    found = {value for name, value in headers if name == b"content-length"}
    if not found:
        return None
    length = found.pop()
    if found or not length.isdigit():
        raise MisbehavedError("the Content-Length is no number, or is two")
    return int(length)
