"""Conditional requests (RFC 9110, section 13)."""

from http import HTTPStatus

from gateway.api.contract import Request, Response


def not_modified(request: Request, tag: str) -> Response | None:
    """Return the 304 if ``If-None-Match`` names ``tag``, compared weakly (section 13.1.2)."""
    known = request.headers.get("if-none-match", "").split(",")
    ours = {tag, tag.strip('"'), "*"}
    if any(one.strip().removeprefix("W/") in ours for one in known):
        return Response(HTTPStatus.NOT_MODIFIED, b"", (("ETag", tag),))
    return None
