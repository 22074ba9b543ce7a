"""Page tokens: opaque, signed, and good for the query they came from only."""

import base64

from engine import crypto
from gateway.http.problem import HttpError

MAC_BYTES = 8


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
        detail = "this page token is not from this query; start again without it"
        raise HttpError("bad_cursor", detail)
    return int.from_bytes(number, "big")


def _mac(key: bytes, query: str, number: bytes) -> bytes:
    return crypto.mac(key, query.encode() + b"\0" + number, MAC_BYTES)
