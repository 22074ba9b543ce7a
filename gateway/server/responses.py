"""The bytes of responses (HTTP/1.1, RFC 9112, section 4)."""

import time
from collections.abc import Iterable
from http import HTTPStatus

from gateway.api.contract import Response

_STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus
}
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_CLOSE = "connection: close\r\n"

_date = (0, "")

Headers = Iterable[tuple[str, str]]


def of(response: Response, *, close: bool, bodiless: bool) -> bytes:
    """Return a response with all of its body; a ``bodiless`` one, to a HEAD, only says its length.

    Names and values come from the house itself, and hold no line break.
    """
    status, body = response.status, response.body
    lines = "".join([f"{name}: {value}\r\n" for name, value in response.headers])
    # It would be the length of what is known already (RFC 9110, section 8.6), and not 0.
    length = "" if status == HTTPStatus.NOT_MODIFIED else f"content-length: {len(body)}\r\n"
    head = (
        f"{status_line(status)}content-type: {response.content_type}\r\n{length}"
        f"{lines}{_CLOSE if close else ''}date: {date()}\r\n\r\n"
    ).encode("latin-1")
    return head if bodiless else head + body


def head(status: int, headers: Headers, *, chunked: bool, close: bool) -> bytes:
    """Return the head of a response whose body follows, in chunks or up to the end."""
    lines = [status_line(status), *(f"{name}: {value}\r\n" for name, value in headers)]
    if chunked:
        lines.append("transfer-encoding: chunked\r\n")
    if close:
        lines.append(_CLOSE)
    lines.append(f"date: {date()}\r\n\r\n")
    return "".join(lines).encode("latin-1")


def status_line(status: int) -> str:
    """Return the first line of a response."""
    return _STATUS_LINES.get(status) or f"HTTP/1.1 {status} \r\n"


def date() -> str:
    """Return the time as a header has it (RFC 9110, section 5.6.7); made once a second."""
    global _date  # noqa: PLW0603 - remembered for the second it holds
    now = int(time.time())
    if now != _date[0]:
        text = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(now))
        _date = (now, text)
    return _date[1]
