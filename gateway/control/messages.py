"""The lines on the control socket. Pure."""

from typing import Any

import msgspec

from engine.errors import MalformedError


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a command asks for: a name in the table of commands, and its arguments."""

    command: str
    arguments: msgspec.Raw = msgspec.Raw(b"{}")


class Progress(msgspec.Struct, frozen=True, tag_field="line", tag="progress"):
    """How far a long command is."""

    done: int
    total: int


class Result(msgspec.Struct, frozen=True, tag_field="line", tag="result"):
    """The last line of a command that was carried out."""

    value: Any


class Problem(msgspec.Struct, frozen=True, tag_field="line", tag="problem"):
    """The last line of a command that was not."""

    code: str
    detail: str


Line = Progress | Result | Problem

_ENCODER = msgspec.json.Encoder()
_REQUESTS = msgspec.json.Decoder(Request)
_LINES = msgspec.json.Decoder(Line)


def encode(message: Request | Line) -> bytes:
    """Return one line, with its line break. JSON holds no raw one."""
    return _ENCODER.encode(message) + b"\n"


def request(command: str, arguments: dict[str, Any]) -> Request:
    """Return the request for ``command``."""
    return Request(command, msgspec.Raw(_ENCODER.encode(arguments)))


def decode_request(line: bytes) -> Request:
    """Return the request in a line.

    Raises:
        MalformedError: it is none.
    """
    try:
        return _REQUESTS.decode(line)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise MalformedError(f"no request of the control socket: {error}") from error


def decode_line(line: bytes) -> Line:
    """Return a line of an answer.

    Raises:
        MalformedError: it is none.
    """
    try:
        found: Line = _LINES.decode(line)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise MalformedError(f"no answer of a control socket: {error}") from error
    return found
