"""Page tokens: opaque, signed, and good for the query they came from only."""

import base64
from typing import TypeVar

import msgspec

from engine import crypto
from gateway.http.problem import HttpError

MAC_BYTES = 8

T = TypeVar("T")


def make(key: bytes, *, query: str, after: int) -> str:
    """Return the token that continues ``query`` behind ``after``."""
    number = after.to_bytes(8, "big")
    signed = number + _mac(key, query, number)
    return base64.urlsafe_b64encode(signed).rstrip(b"=").decode()


def read(key: bytes, token: str, *, query: str) -> int:
    """Return where a token continues.

    Raises:
        HttpError: ``bad_cursor``: made elsewhere, changed, or of another query.
    """
    try:
        signed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except ValueError:
        signed = b""
    number = signed[:8]
    if len(signed) != 8 + MAC_BYTES or not crypto.same(signed[8:], _mac(key, query, number)):
        raise _foreign()
    return int.from_bytes(number, "big")


def seal(key: bytes, *, query: str, place: object) -> str:
    """Return the token that continues ``query`` behind a place that nobody is to read from it.

    Args:
        key: 32 bytes.
        query: what the token is good for.
        place: anything that JSON can say.
    """
    sealed = crypto.seal(key, msgspec.json.encode(place), query.encode())
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


def unseal(key: bytes, token: str, kind: type[T], *, query: str) -> T:
    """Return the place at which a token continues.

    Raises:
        HttpError: ``bad_cursor``: made elsewhere, changed, or of another query.
    """
    try:
        sealed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        return msgspec.json.decode(crypto.unseal(key, sealed, query.encode()), type=kind)
    except (ValueError, crypto.UnsealError, msgspec.MsgspecError) as error:
        raise _foreign() from error


def _foreign() -> HttpError:
    detail = "this page token is not from this query; start again without it"
    return HttpError("bad_cursor", detail)


def _mac(key: bytes, query: str, number: bytes) -> bytes:
    return crypto.mac(key, query.encode() + b"\0" + number, MAC_BYTES)
