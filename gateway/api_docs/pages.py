"""``/docs`` and the files it is made of, as routes of Quart's own."""

from http import HTTPStatus

from quart import Quart, request
from quart import Response as QuartResponse
from werkzeug.http import parse_etags

from engine.errors import NotFoundError
from gateway.api.contract import Response
from gateway.api_docs import files
from gateway.http import accept, query
from gateway.quart_app.routes import as_quart


def add_to(app: Quart) -> None:
    """Show the contract at ``/docs``, in a browser, with a way to try it."""
    app.add_url_rule("/docs", "docs", _index)
    app.add_url_rule("/docs/<name>", "docs_file", _named)


async def _index() -> QuartResponse:
    return as_quart(await _answer(files.INDEX))


async def _named(name: str) -> QuartResponse:
    if name not in files.FILES:
        raise NotFoundError("the documentation has no file of that name")
    return as_quart(await _answer(name))


async def _answer(name: str) -> Response:
    query.decode(request.query_string.decode("latin-1"), query.Nothing)
    found = await files.load(name)
    accept.choose(_header("Accept"), (found.media_type.partition(";")[0],))
    headers = (
        ("Cache-Control", "no-cache"),
        ("Content-Security-Policy", files.CONTENT_SECURITY_POLICY),
        ("ETag", found.etag),
        ("Referrer-Policy", "no-referrer"),
        ("X-Content-Type-Options", "nosniff"),
    )
    if parse_etags(_header("If-None-Match")).contains_weak(found.etag.strip('"')):
        return Response(HTTPStatus.NOT_MODIFIED, b"", headers, content_type=found.media_type)
    return Response(HTTPStatus.OK, found.content, headers, content_type=found.media_type)


def _header(name: str) -> str | None:
    """Return a header of the present request; repeated ones are one list (RFC 9110, 5.2)."""
    return ", ".join(request.headers.getlist(name)) or None
