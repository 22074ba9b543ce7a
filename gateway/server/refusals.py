"""What is said to a connection that is not taken: made before anything of it was read. Pure."""

import errno

from gateway.api.answering import turned_away
from gateway.http.problem import HttpError
from gateway.server import responses
from gateway.server.admission import Refusal

OF_THIS_CONNECTION = frozenset({errno.ECONNABORTED, errno.EPROTO, errno.EPERM, errno.ENETDOWN})
"""Errors of ``accept`` that speak of the one connection that was to be accepted (accept(2))."""

_WHY = {
    Refusal.FULL: HttpError("overloaded", "as many connections are open as there may be"),
    Refusal.ADDRESS: HttpError(
        "too_many_connections", "too many connections are open from this address; close some"
    ),
}


def answer(refusal: Refusal) -> bytes:
    """Return the whole response; the connection ends behind it."""
    return responses.of(turned_away(_WHY[refusal], instance=None), close=True, bodiless=False)
