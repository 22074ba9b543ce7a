"""The query string of a request as a typed value."""

from functools import cache
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec

from engine.errors import FieldError
from gateway.http.problem import HttpError
from gateway.logs import mask

T = TypeVar("T", bound=msgspec.Struct)

SECRET_PARAMETERS = frozenset({"token", "access_token", "api_key", "apikey", "key", "secret"})


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A door that takes no parameters."""


def decode(text: str, kind: type[T]) -> T:
    """Return the parameters in ``text`` as a frozen struct; an empty value counts as absent.

    Raises:
        HttpError: ``bad_parameter``: unknown, repeated, of a wrong type, or a credential.
    """
    if not text:
        nothing: T = _of_nothing(kind)
        return nothing
    found: dict[str, str] = {}
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=32, errors="strict")
    except (ValueError, UnicodeDecodeError) as error:
        raise _bad("", "the query string cannot be read") from error
    for name, value in pairs:
        if name in found:
            raise _bad(name, "give every parameter once")
        if name in SECRET_PARAMETERS:
            raise _bad(name, "a credential never stands in a URL; send it as Authorization: Bearer")
        if name not in kind.__struct_encode_fields__:
            raise _bad(name, "there is no such parameter here; compare with /openapi.json")
        if "\0" in value:
            raise _bad(name, "NUL is not allowed")
        found[name] = value
    return _converted({n: v for n, v in found.items() if v}, kind)


@cache
def _of_nothing(kind: type[msgspec.Struct]) -> Any:
    """Return what most requests ask for: made once a kind, which is frozen."""
    return _converted({}, kind)


def _converted(found: dict[str, str], kind: type[T]) -> T:
    try:
        return msgspec.convert(found, kind, strict=False)
    except msgspec.ValidationError as error:
        text, _, place = str(error).partition(" - at `$.")
        raise _bad(place.rstrip("`"), text) from error


def _bad(name: str, detail: str) -> HttpError:
    field = mask(name[:80])  # whoever forgets the name of a parameter may have sent a key as one
    return HttpError("bad_parameter", detail, errors=[FieldError(field, "bad_parameter", detail)])
