"""Content negotiation (RFC 9110, section 12.5.1)."""

from collections.abc import Sequence

from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from gateway.http.problem import HttpError


def choose(accept: str | None, produces: Sequence[str]) -> str:
    """Return the media type to answer with; the first of ``produces`` when all are welcome.

    Raises:
        HttpError: ``not_acceptable``.
    """
    if accept is None or accept == "*/*" or accept == produces[0]:
        return produces[0]
    best = parse_accept_header(accept, MIMEAccept).best_match(produces)
    if best is None:
        detail = f"this is to be had as {', '.join(produces)}"
        raise HttpError("not_acceptable", detail)
    return str(best)
