"""The head of a request: its line and its headers, by RFC 9110 and RFC 9112. Pure.

llhttp takes the headers apart, and refuses what is none of the grammar. The request line it reads
leniently (two spaces, other protocols, fragments), so that one is read here; and what the headers
mean for the framing is decided here, once.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from gateway.http.problem import HttpError
from gateway.limits import (
    HEAD_BYTES_MAX,
    HEADER_BYTES_MAX,
    HEADERS_MAX,
    INTEGER_MAX,
    REQUEST_LINE_BYTES_MAX,
)

_LINE = re.compile(rb"([A-Z]+) ([!-\"$-~]+) HTTP/1\.([01])\r\n")
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OTHER_VERSION = re.compile(rb"(?:[^ \r\n]+ HTTP/(?!1\.[01])[0-9](?:\.[0-9])?|/[^ \r\n]*)\r\n")
_METHODS = {
    method.encode(): method
    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
}
_BARE_LF = re.compile(rb"(?<!\r)\n")
_HOST = re.compile(
    r"(?:(?:\[[0-9A-Fa-f:.]++\]|(?:[A-Za-z0-9._~!$&'()*+,;=-]++|%[0-9A-Fa-f]{2})++)(?::[0-9]*+)?)?"
)
_ABSOLUTE = re.compile(r"(?i:https?)://([^/?]+)([^?]*)(?:\?(.*))?")
_LENGTH_DIGITS_MAX = len(str(INTEGER_MAX))

_USUAL = """
    accept accept-encoding accept-language authorization cache-control connection content-length
    content-type cookie expect host idempotency-key if-match if-none-match last-event-id origin
    referer sec-websocket-extensions sec-websocket-key sec-websocket-protocol
    sec-websocket-version traceparent tracestate transfer-encoding upgrade user-agent
    x-forwarded-for x-forwarded-proto x-request-id
"""
# Looking a name up costs half of what decoding it does. Fixed, so that nobody can make it grow.
_NAMES = {
    spelling.encode(): name
    for name in _USUAL.split()
    for spelling in (name, name.title(), name.title().replace("Websocket", "WebSocket"))
}


class RefusedRequestError(HttpError):
    """What came cannot be answered as a request; the connection ends behind the answer.

    ``code`` is one of ``PROBLEMS``, ``detail`` says more and repeats nothing of what came.
    """

    def __init__(self, code: str, detail: str) -> None:
        """Refuse with one of the codes of ``PROBLEMS``."""
        super().__init__(code, detail)
        self.code = code  # type: ignore[misc] # other errors have one a class


@dataclass(slots=True)
class Incoming:
    """One request, as far as it has come."""

    method: str
    """In upper case, one of those that some route may take."""
    raw_path: str
    """As it came, before ``?``; ``*`` for ``OPTIONS *``. Of an absolute target the path alone."""
    query: str
    """As it came, behind ``?``."""
    headers: dict[str, str]
    """By their name in lower case; repeated ones are joined with ``, `` (RFC 9110, 5.2)."""
    http_version: str
    """``1.1`` or ``1.0``."""
    keep_alive: bool
    """Whether the client would like to go on after the answer."""
    upgrade: bool
    """Whether it asks for a WebSocket, and so has no body. Other protocols are not offered, so
    that wish is passed over (RFC 9110, section 7.8)."""
    expects_continue: bool
    """Whether the client waits for a 100 before it sends the body."""
    content_length: int | None
    chunked: bool
    body: bytearray
    """What has arrived of the body; whoever takes from it removes it."""
    complete: bool
    """Whether all of the body has arrived; from the beginning if none was announced."""


def check_unfinished(head: bytes, seen: int) -> None:
    """Refuse a head that can become nothing good, whatever follows, or has grown too large.

    A client that ends its lines with a bare LF waits for an answer: it has to get one.

    Args:
        head: what has arrived, without the empty line that ends a head.
        seen: how many bytes of it were looked at before.

    Raises:
        RefusedRequestError: the same as for the whole head.
    """
    newline = head.find(b"\n", 0, REQUEST_LINE_BYTES_MAX)
    if newline < 0:
        if len(head) >= REQUEST_LINE_BYTES_MAX:
            raise _refused_line(head)
        return
    if seen <= newline:
        _line(head)
    if _BARE_LF.search(head, max(0, seen - 1), HEAD_BYTES_MAX):
        raise RefusedRequestError("bad_framing", "a line ends without CR")
    if len(head) >= HEAD_BYTES_MAX:
        detail = f"the head is larger than {HEAD_BYTES_MAX:,} bytes"
        raise RefusedRequestError("headers_too_large", detail)


def read_head(head: bytes) -> Incoming:
    """Return the request that a head announces, with an empty body.

    Args:
        head: from the first byte of the request line to the empty line, which ends it; at most
            ``HEAD_BYTES_MAX``.

    Raises:
        RefusedRequestError: it is none, or none that is understood in one way only.
    """
    line = _line(head)
    headers = _headers(_fields(head))
    method, modern = _METHODS[line[1]], line[3] == b"1"
    host = headers.get("host")
    if host is None and modern:
        raise RefusedRequestError("bad_framing", "there is no Host header")
    if host is not None and _HOST.fullmatch(host) is None:
        raise RefusedRequestError("bad_framing", "the Host header names no host")
    path, query = _path_and_query(method, line[2].decode(), host)
    length, chunked = _framing(headers, modern=modern)
    keep_alive, upgrade = _wishes(headers, modern=modern)
    bodiless = not chunked and not length
    return Incoming(
        method,
        path,
        query,
        headers,
        "1.1" if modern else "1.0",
        keep_alive,
        upgrade and bodiless,
        "expect" in headers and _expects_continue(headers["expect"]) and modern and not bodiless,
        length,
        chunked,
        bytearray(),
        bodiless,
    )


def _line(head: bytes) -> re.Match[bytes]:
    line = _LINE.match(head)
    if line is None or line.end() > REQUEST_LINE_BYTES_MAX or line[1] not in _METHODS:
        raise _refused_line(head)
    return line


def _refused_line(head: bytes) -> RefusedRequestError:
    """Return why a head cannot begin like this one."""
    end = head.find(b"\n", 0, REQUEST_LINE_BYTES_MAX) + 1
    method, _, rest = head[: end or REQUEST_LINE_BYTES_MAX].partition(b" ")
    if _TOKEN.fullmatch(method) is None:
        return RefusedRequestError("bad_framing", "that is no request line")
    if method not in _METHODS:
        return RefusedRequestError("not_implemented", "no path takes this method")
    if not end:
        detail = f"the request line is longer than {REQUEST_LINE_BYTES_MAX:,} bytes"
        return RefusedRequestError("uri_too_long", detail)
    if _OTHER_VERSION.fullmatch(rest):
        return RefusedRequestError("http_version_not_supported", "this port speaks HTTP/1.1")
    return RefusedRequestError("bad_framing", "the request line is malformed")


class _Listening:
    """What llhttp is asked for: nothing but the headers."""

    __slots__ = ("on_header",)

    on_header: Callable[[bytes, bytes], None]
    on_message_begin = on_url = on_status = on_headers_complete = on_body = None
    on_chunk_header = on_chunk_complete = on_message_complete = None


def _fields(head: bytes) -> list[tuple[bytes, bytes]]:
    """Return the headers one by one, as they came but for the space before their values."""
    fields: list[tuple[bytes, bytes]] = []

    def on_header(name: bytes, value: bytes) -> None:
        fields.append((name, value))

    listening = _Listening()
    listening.on_header = on_header
    try:
        HttpRequestParser(listening).feed_data(head)
    except HttpParserUpgrade:
        pass  # it stops behind the head, and so do we
    except HttpParserError as error:
        raise RefusedRequestError("bad_framing", f"the head is malformed: {error}") from error
    if len(fields) > HEADERS_MAX:
        raise RefusedRequestError("headers_too_large", f"there are more than {HEADERS_MAX} headers")
    if len(head) > HEADER_BYTES_MAX:
        _check_lengths(fields)
    return fields


def _check_lengths(fields: list[tuple[bytes, bytes]]) -> None:
    for name, value in fields:
        if len(name) + len(value) > HEADER_BYTES_MAX:
            detail = f"a header is larger than {HEADER_BYTES_MAX:,} bytes"
            raise RefusedRequestError("headers_too_large", detail)


def _headers(fields: list[tuple[bytes, bytes]]) -> dict[str, str]:
    headers = {
        _NAMES.get(name) or name.decode("latin-1").lower(): value.decode("latin-1").rstrip(" \t")
        for name, value in fields
    }
    return headers if len(headers) == len(fields) else _joined(fields)


def _joined(fields: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return the headers when some are repeated. Two hosts become one that names no host."""
    values: dict[str, list[str]] = {}
    for raw_name, value in fields:
        name = raw_name.decode("latin-1").lower()
        values.setdefault(name, []).append(value.decode("latin-1").rstrip(" \t"))
    return {name: ", ".join(found) for name, found in values.items()}


def _path_and_query(method: str, target: str, host: str | None) -> tuple[str, str]:
    """Return the path and the query of a target (RFC 9112, section 3.2)."""
    if target[0] == "/":
        path, _, query = target.partition("?")
        return path, query
    if target == "*" and method == "OPTIONS":
        return target, ""
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None:
        raise RefusedRequestError("bad_framing", "the target is no path and no URL")
    authority, path, query = absolute.groups("")
    if host is None or authority.lower() != host.lower():
        raise RefusedRequestError("misdirected", "the URL and the Host header name other hosts")
    return path or "/", query


def _framing(headers: dict[str, str], *, modern: bool) -> tuple[int | None, bool]:
    """Return the announced length, and whether the body is chunked (RFC 9112, section 6).

    Both at once, one of them twice, and a length that is not digits alone, llhttp has refused.
    """
    coding = headers.get("transfer-encoding")
    length = headers.get("content-length")
    if coding is not None:
        if coding.lower() != "chunked" or not modern:
            detail = "Transfer-Encoding is chunked and nothing else, and stands in HTTP/1.1 alone"
            raise RefusedRequestError("bad_framing", detail)
        return None, True
    if length is None:
        return None, False
    size = int(length) if len(length) <= _LENGTH_DIGITS_MAX else INTEGER_MAX + 1
    if size > INTEGER_MAX:
        raise RefusedRequestError("bad_framing", "Content-Length is too large a number")
    return size, False


def _wishes(headers: dict[str, str], *, modern: bool) -> tuple[bool, bool]:
    """Return whether the connection may go on, and whether it is to become a WebSocket."""
    connection = headers.get("connection")
    if connection is None:
        return modern, False
    options = _members(connection)
    keep_alive = "close" not in options and (modern or "keep-alive" in options)
    asked = modern and "upgrade" in options and "websocket" in _members(headers.get("upgrade", ""))
    return keep_alive, asked


def _members(listed: str) -> list[str]:
    return [member.strip(" \t") for member in listed.lower().split(",")]


def _expects_continue(expectation: str) -> bool:
    if expectation.lower() != "100-continue":
        raise RefusedRequestError("expectation_failed", "only 100-continue can be expected")
    return True
