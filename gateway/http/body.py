"""From bytes to a typed value, with a clear refusal for everything that is none.

Parsers differ in what they let pass, so the bounds that matter are checked here for all of them:
depth, 64-bit integers, NUL, members given twice, unknown members, numbers that are none.
"""

import json
import math
import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

import msgspec

from engine.errors import (
    FieldError,
    ForbiddenCharacterError,
    MalformedError,
    OutOfRangeError,
    ParleyError,
    UnknownFieldError,
    WrongTypeError,
)
from gateway.http.media_types import JSON, MSGPACK
from gateway.http.problem import HttpError
from gateway.limits import INTEGER_MAX, JSON_DEPTH_MAX, REQUEST_BODY_BYTES_MAX

T = TypeVar("T")
ReadBody = Callable[[], Awaitable[bytes]]
"""Waits for the bytes of a body; raises the refusal of one that does not come in time."""

_STRUCTURE = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)
"""A text without an end runs to the end of the body, so that nothing is looked at twice."""
_ZEROS = bytes.maketrans(b"123456789", b"000000000")
_LONG_NUMBER = b"0" * 19
"""What a number of 19 digits becomes with ``_ZEROS``: a text is found five times as fast."""
_ESCAPED_NUL = b"\\u0000"
_PLACE = re.compile(r" - at `\$\.?(.*)`$")
_VALUE = re.compile(r"(?<=Invalid enum value) .*", re.DOTALL)
_OUT_OF_RANGE = re.compile(r"Expected `[^`]*` (?:[<>]=?|of length|matching|that's)|Invalid enum")


async def received(
    headers: dict[str, str], read_body: ReadBody, kind: type[T], *, strict: bool = False
) -> T:
    """Return the body of a request; what its headers rule out is not even read.

    Args:
        headers: of the request, names in lower case.
        read_body: called at most once.
        kind: see :func:`decode`.
        strict: see :func:`decode`.

    Raises:
        HttpError: ``unsupported_media_type`` or ``too_large``.
        ParleyError: that of ``read_body``, or of :func:`decode`.
    """
    media_type = check_content_type(headers, strict=strict)
    length = headers.get("content-length", "0")
    if length.isdecimal() and int(length) > REQUEST_BODY_BYTES_MAX:
        raise too_large()
    raw = await read_body()
    if len(raw) > REQUEST_BODY_BYTES_MAX:
        raise too_large()
    return decode(raw, kind, media_type=media_type, strict=strict)


def too_large() -> HttpError:
    """Return the refusal of a body that is too large."""
    return HttpError("too_large", f"a body has at most {REQUEST_BODY_BYTES_MAX} bytes")


def check_content_type(headers: dict[str, str], *, strict: bool = False) -> str:
    """Return the media type of a request's body; where it is ``strict``, that is JSON.

    Raises:
        HttpError: ``unsupported_media_type``: not JSON or MessagePack, another charset, or packed.
    """
    if headers.get("content-type") == JSON and "content-encoding" not in headers:
        return JSON  # what nearly everybody sends
    if headers.get("content-encoding", "identity").lower() != "identity":
        detail = "send the body as it is, without Content-Encoding"
        raise HttpError("unsupported_media_type", detail)
    kind, _, rest = headers.get("content-type", "").partition(";")
    parameters = rest.replace(" ", "").replace('"', "").lower()
    # Only JSON can be searched for members that stand twice.
    known = {JSON} if strict else {JSON, MSGPACK}
    if kind.strip().lower() not in known or parameters not in {"", "charset=utf-8"}:
        detail = f"send Content-Type: {' or '.join(sorted(known))}, in UTF-8"
        raise HttpError("unsupported_media_type", detail)
    return kind.strip().lower()


def decode(raw: bytes, kind: type[T], *, media_type: str = JSON, strict: bool = False) -> T:
    """Return the value of type ``kind`` in ``raw``.

    Args:
        raw: the body, already within its length.
        kind: a struct that forbids unknown fields.
        media_type: ``application/json`` or ``application/msgpack``.
        strict: also refuse members that stand twice (where money or rights are concerned).

    Raises:
        MalformedError, HttpError: 400: not the announced format, too deep, a member twice.
        InvalidError: 422: well-formed, but not what the route takes.
    """
    if media_type == MSGPACK:
        return _decode_msgpack(raw, kind)
    check_depth(raw)
    try:
        value = msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        check_well_formed(raw)
        raise refusal(error) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _malformed(error) from error
    if strict:
        _check_duplicates(raw)
    check_contents(raw, value)
    return value


def check_depth(raw: bytes) -> None:
    """Refuse JSON nested deeper than ``JSON_DEPTH_MAX``, without parsing it.

    Raises:
        HttpError: ``too_deep``.
    """
    if raw.count(b"[") + raw.count(b"{") <= JSON_DEPTH_MAX:
        return
    depth = 0
    for token in _STRUCTURE.finditer(raw):
        first = token[0][:1]
        if first in b"[{":
            depth += 1
            if depth > JSON_DEPTH_MAX:
                raise _too_deep()
        elif first in b"]}":
            depth -= 1


def check_well_formed(raw: bytes) -> None:
    """Refuse what is no JSON at all: it goes before any question of types.

    Raises:
        MalformedError: a syntax error, a number no reader would keep, or no UTF-8.
    """
    try:
        msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _malformed(error) from error


def check_contents(raw: bytes, value: Any) -> None:
    """Refuse NUL in any text and integers beyond 64 bits. Walks only what might hold one.

    Raises:
        ForbiddenCharacterError, OutOfRangeError: names the member.
    """
    if _ESCAPED_NUL in raw or _LONG_NUMBER in raw.translate(_ZEROS):
        check_values("", msgspec.to_builtins(value), depth=0)


def refusal(error: msgspec.ValidationError) -> ParleyError:
    """Return the refusal for a well-formed value that is not what was asked for."""
    text = str(error)
    place = _PLACE.search(text)
    field = place[1] if place else ""
    detail = _VALUE.sub("", _PLACE.sub("", text))
    if "unknown field" in detail:
        name = detail.rpartition("`")[0].rpartition("`")[2]
        field = f"{field}.{name}".lstrip(".")
        return UnknownFieldError(detail, errors=[FieldError(field, "unknown_field", detail)])
    if "out of range" in detail or _OUT_OF_RANGE.search(detail):
        return OutOfRangeError(detail, errors=[FieldError(field, "out_of_range", detail)])
    return WrongTypeError(detail, errors=[FieldError(field, "wrong_type", detail)])


def unpacked(raw: bytes) -> Any:
    """Return the MessagePack value in ``raw``, which holds only what JSON can hold.

    Raises:
        HttpError: ``malformed_msgpack``, or ``too_deep``.
        InvalidError: something that JSON has not, NUL in a text, an integer beyond 64 bits.
    """
    try:
        value = msgspec.msgpack.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        detail = "the body is no MessagePack value"
        raise HttpError("malformed_msgpack", detail) from error
    check_values("", value, depth=0)
    return value


def _decode_msgpack(raw: bytes, kind: type[T]) -> T:
    value = unpacked(raw)
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise refusal(error) from error


def check_values(place: str, value: Any, *, depth: int) -> None:
    """Refuse what JSON has not, what is nested too deeply, NUL, and integers beyond 64 bits.

    Args:
        place: the member that ``value`` is, for the error.
        value: decoded, of any type.
        depth: how many arrays and objects ``value`` is nested in.

    Raises:
        HttpError: ``too_deep``.
        InvalidError: names the member.
    """
    if depth >= JSON_DEPTH_MAX and isinstance(value, dict | list | tuple):
        raise _too_deep()
    if isinstance(value, str):
        _check_text(place, value)
    elif isinstance(value, bool) or value is None:
        return
    elif isinstance(value, int | float):
        _check_number(place, value)
    elif isinstance(value, dict):
        _check_members(place, value, depth=depth)
    elif isinstance(value, list | tuple):
        for at, inner in enumerate(value):
            check_values(f"{place}[{at}]", inner, depth=depth + 1)
    else:
        raise _wrong_type(place, "only what JSON has can be sent")


def _check_members(place: str, members: dict[Any, Any], *, depth: int) -> None:
    for name, inner in members.items():
        if not isinstance(name, str):
            raise _wrong_type(place, "the names of members are text")
        _check_text(place, name)
        check_values(f"{place}.{name}".lstrip("."), inner, depth=depth + 1)


def _check_text(place: str, text: str) -> None:
    if "\0" in text:
        detail = "NUL cannot be stored in a text"
        raise ForbiddenCharacterError(
            detail, errors=[FieldError(place[:200], "forbidden_character", detail)]
        )


def _check_number(place: str, number: int | float) -> None:  # noqa: PYI041 - two cases
    if isinstance(number, float):
        if not math.isfinite(number):
            raise _wrong_type(place, "NaN and Infinity are no JSON numbers")
    elif not -INTEGER_MAX - 1 <= number <= INTEGER_MAX:
        detail = "integers have 64 bits; send larger ones as text"
        raise OutOfRangeError(detail, errors=[FieldError(place, "out_of_range", detail)])


def _check_duplicates(raw: bytes) -> None:
    def once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in pairs:
            if name in found:
                detail = f"the member {name[:80]!r} stands twice"
                raise HttpError("duplicate_key", detail)
            found[name] = value
        return found

    json.loads(raw, object_pairs_hook=once)


def _malformed(error: Exception) -> ParleyError:
    if isinstance(error, RecursionError):
        return _too_deep()
    text = str(error) if isinstance(error, msgspec.MsgspecError) else "not UTF-8"
    return MalformedError(f"the body is no JSON value: {text}")


def _too_deep() -> HttpError:
    return HttpError("too_deep", f"nest at most {JSON_DEPTH_MAX} levels")


def _wrong_type(place: str, detail: str) -> WrongTypeError:
    return WrongTypeError(detail, errors=[FieldError(place[:200], "wrong_type", detail)])
