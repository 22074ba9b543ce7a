"""A body in chunks, taken apart and bounded (RFC 9112, section 7.1). Pure.

This is not left to llhttp: it cannot be asked where a body ends, nor stopped there, and it has no
bound for extensions and trailers.
"""

import re

from gateway.limits import CHUNKED_OVERHEAD_BYTES_MAX
from gateway.server.request_head import RefusedRequestError

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED = rb'"(?:[\t !#-\[\]-~]|\\[\t -~])*"'
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:;%b(?:=(?:%b|%b))?)*\r\n" % (_TOKEN, _TOKEN, _QUOTED))
_TRAILER = re.compile(rb"(%b):[\t -~\x80-\xff]*\r\n" % _TOKEN)
_OF_THE_FRAMING = {b"content-length", b"transfer-encoding"}
_EMPTY = b"\r\n"


# What comes next: the size of a chunk, its content, the line behind that, a trailer, nothing.
_AT_SIZE, _AT_CONTENT, _BEHIND, _AT_TRAILER, _AT_END = range(5)


class ChunkedBody:
    """Takes one chunked body apart. Extensions and trailers are read and passed over."""

    __slots__ = ("_body", "_left", "_line", "_next", "_overhead")

    def __init__(self, body: bytearray) -> None:
        """Put the content into ``body``, from which others may take it between two calls."""
        self._body = body
        self._next = _AT_SIZE
        self._left = 0  # bytes of content until the chunk ends
        self._line = bytearray()  # the beginning of a line
        self._overhead = 0

    @property
    def complete(self) -> bool:
        """Whether the end has come."""
        return self._next == _AT_END

    def feed(self, data: bytes, at: int) -> int:
        """Take what belongs to the body from ``data[at:]``; return where the next request begins.

        Raises:
            RefusedRequestError: it is not chunked as it should be, or there is too much around it.
        """
        while at < len(data) and self._next != _AT_END:
            if self._next == _AT_CONTENT:
                at = self._take_content(data, at)
            else:
                at = self._take_line(data, at)
        return at

    def _take_content(self, data: bytes, at: int) -> int:
        end = min(at + self._left, len(data))
        self._body += data[at:end]
        self._left -= end - at
        if not self._left:
            self._next = _BEHIND
        return end

    def _take_line(self, data: bytes, at: int) -> int:
        end = data.find(b"\n", at) + 1
        part = data[at:end] if end else data[at:]
        self._overhead += len(part)
        if self._overhead > CHUNKED_OVERHEAD_BYTES_MAX:
            raise _malformed(f"more than {CHUNKED_OVERHEAD_BYTES_MAX:,} bytes are no content")
        if not end:
            self._line += part
            return len(data)
        if self._line:
            part = bytes(self._line) + part
            self._line.clear()
        self._read(part)
        return end

    def _read(self, line: bytes) -> None:
        if self._next == _AT_SIZE:
            self._read_size(line)
        elif self._next == _AT_TRAILER:
            self._read_trailer(line)
        elif line == _EMPTY:
            self._next = _AT_SIZE
        else:
            raise _malformed("a chunk is longer than its size")

    def _read_size(self, line: bytes) -> None:
        size = _SIZE.fullmatch(line)
        if size is None:
            raise _malformed("that is no size of a chunk")
        self._left = int(size[1], 16)
        self._next = _AT_CONTENT if self._left else _AT_TRAILER

    def _read_trailer(self, line: bytes) -> None:
        if line == _EMPTY:
            self._next = _AT_END
            return
        trailer = _TRAILER.fullmatch(line)
        if trailer is None or trailer[1].lower() in _OF_THE_FRAMING:
            raise _malformed("that is no trailer")


def _malformed(detail: str) -> RefusedRequestError:
    return RefusedRequestError("bad_framing", f"the chunked body is malformed: {detail}")
