"""The Quart app: every route of the table by dispatch, Quart's own, and the realtime WebSocket.

Nothing is decided here: a request goes to ``Dispatcher.dispatch`` and comes back as bytes.
``hypercorn -k trio -w 1 'gateway.app:create()'`` serves it with a data folder of its own.
"""

import os
import signal
from http import HTTPStatus
from typing import Any

import trio
from quart import Response as QuartResponse
from quart import request, websocket
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from engine.errors import ParleyError
from gateway.api.answering import refused
from gateway.api_docs import pages
from gateway.dispatch import Dispatcher, Head
from gateway.fanout.switchboard import Switchboard
from gateway.http import trace
from gateway.http.body import too_large
from gateway.http.problem import HttpError
from gateway.limits import REQUEST_BODY_BYTES_MAX, REQUEST_BODY_SECONDS
from gateway.quart_app import routes as quart_routes
from gateway.quart_app.line import QuartLine
from gateway.quart_app.routes import as_quart
from gateway.realtime import dialects
from gateway.realtime.session import Session
from gateway.realtime.upgrading import admitted


class App(QuartTrio):
    """Quart, which cannot route a target without a path (``GET ?a``): that is ``/`` here."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one connection of the server."""
        if scope.get("path") == "":
            scope["path"] = "/"
        await super().__call__(scope, receive, send)


def build(dispatcher: Dispatcher, switchboard: Switchboard) -> App:
    """Return the app that answers by ``dispatcher``; its sockets are known to ``switchboard``."""
    app = App("parley", static_folder=None)
    app.config.update(
        MAX_CONTENT_LENGTH=REQUEST_BODY_BYTES_MAX, BODY_TIMEOUT=None, RESPONSE_TIMEOUT=None
    )

    async def answer_request() -> QuartResponse | None:
        """By dispatch, unknown paths too; a route of Quart's own answers what no table has."""
        head = _head(request.scope)
        if quart_routes.has(head.raw_path) and not dispatcher.table.has(head.raw_path):
            return None
        answer = await dispatcher.dispatch(head, _read_body)
        return as_quart(answer, bodiless=head.method == "HEAD")

    async def answer_websocket() -> QuartResponse | None:
        path, headers = websocket.path, _lower(websocket.scope)
        try:
            caller = await admitted(
                dispatcher, path, websocket.query_string.decode("latin-1"), headers
            )
        except ParleyError as error:
            return as_quart(refused(error, request_id=trace.new_request_id(), instance=path))
        dialect, subprotocol = dialects.agreed(websocket.requested_subprotocols)
        await websocket.accept(subprotocol=subprotocol)
        line = QuartLine(_this_websocket(), binary=dialect.binary)
        session = Session(
            line,
            dispatcher=dispatcher,
            switchboard=switchboard,
            dialect=dialect,
            caller=caller,
            traceparent=trace.traceparent_of(headers),
        )
        await line.run(session)
        return QuartResponse(b"", HTTPStatus.NO_CONTENT)

    quart_routes.prepare(app)
    pages.add_to(app)
    app.before_request(answer_request)
    app.before_websocket(answer_websocket)
    return app


def create() -> App:
    """Return an app that runs its own engine, for servers that import one.

    One process serves one data folder: a second worker is refused by the folder's lock. Settings
    come from ``PARLEY_*`` and ``parley.toml``. An engine that dies ends the process.
    """
    from gateway import compose, config  # noqa: PLC0415 - the root is not needed to build an app

    node = compose.Node(config.load())
    app = build(node.dispatcher, node.switchboard)

    async def start() -> None:
        await app.nursery.start(_run_or_die, node)
        await app.nursery.start(node.switchboard.run)

    async def stop() -> None:
        node.stop()
        await node.switchboard.drain()
        app.nursery.cancel_scope.cancel()

    app.before_serving(start)
    app.after_serving(stop)
    return app


async def _run_or_die(node: Any, *, task_status: trio.TaskStatus[None]) -> None:
    """Run the engine; a server whose engine has failed must not go on answering."""
    started = False
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(node.engine.run)
            started = True
            task_status.started()
    except Exception:
        if started:
            os.kill(os.getpid(), signal.SIGTERM)
        raise


def _this_websocket() -> Any:
    """Return the WebSocket itself, not its proxy: it is used by other tasks too."""
    return websocket._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001


def _head(scope: Any) -> Head:
    raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
    return Head(
        method=scope["method"],
        raw_path=raw_path.split(b"?")[0].decode("latin-1"),
        query=scope["query_string"].decode("latin-1"),
        headers=_lower(scope),
    )


def _lower(scope: Any) -> dict[str, str]:
    """Return the headers; repeated ones are joined as RFC 9110, section 5.2, has it."""
    found: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


async def _read_body() -> bytes:
    try:
        with trio.fail_after(REQUEST_BODY_SECONDS):
            raw = await request.get_data(as_text=False, parse_form_data=False)
    except RequestEntityTooLarge as error:
        raise too_large() from error
    except (trio.TooSlowError, HTTPException) as error:
        detail = f"the body did not arrive within {REQUEST_BODY_SECONDS:g} seconds"
        raise HttpError("request_timeout", detail) from error
    return raw.encode() if isinstance(raw, str) else raw
