"""Routes of Quart's own answer as dispatch does: every refusal is a problem, never a page."""

import json
from pathlib import Path
from typing import Any

import pytest
import trio
from quart import Response, abort, request
from quart_trio import QuartTrio

from engine.errors import NotFoundError
from gateway.api.answering import API_VERSION
from gateway.app import build
from gateway.compose import Node
from gateway.config import Settings
from gateway.http.problem import CONTENT_TYPE
from gateway.quart_app import routes as quart_routes
from tests.gateway.server.exchanges import Asked, Peer, answered


async def fine() -> Response:
    return Response("fine", headers={"Set-Cookie": "a=b"})


async def absent() -> Response:
    raise NotFoundError("there is no such page of a person")


async def fails() -> Response:
    raise LookupError("sk_test_secret")


async def fails_twice() -> Response:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(fails)
        nursery.start_soon(fails)
    return Response()


async def aborted(status: int) -> Response:
    abort(status)


async def form() -> Response:
    return Response((await request.form)["name"])


async def large() -> Response:
    return Response(await request.get_data(as_text=False))


@pytest.fixture
def app() -> QuartTrio:
    made = QuartTrio("pages", static_folder=None)
    quart_routes.prepare(made)
    made.config["MAX_CONTENT_LENGTH"] = 10
    for view in (fine, absent, fails, fails_twice):
        made.add_url_rule(f"/{view.__name__}", view.__name__, view)
    for view in (form, large):
        made.add_url_rule(f"/{view.__name__}", view.__name__, view, methods=["POST"])
    made.add_url_rule("/aborted/<int:status>", "aborted", aborted)
    return made


async def refusal(peer: Peer) -> dict[str, Any]:
    """Return the problem that was answered with, which must be whole."""
    assert peer.header(b"content-type") == CONTENT_TYPE.encode()
    document: dict[str, Any] = json.loads(await peer.reads())
    assert document["status"] == peer.status
    assert document["type"] == f"/problems/{document['code']}"
    assert document["request_id"].encode() == peer.header(b"request-id")
    assert peer.header(b"parley-version") == API_VERSION.encode()
    return document


async def test_an_answer_says_which_it_is(app: QuartTrio) -> None:
    peer = await answered(app, Asked(raw_path="/fine"))
    assert (peer.status, await peer.reads()) == (200, b"fine")
    assert peer.header(b"parley-version") == API_VERSION.encode()
    again = await answered(app, Asked(raw_path="/fine"))
    assert None is not again.header(b"request-id") != peer.header(b"request-id")


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/absent", 404, "not_found"),
        ("/unknown", 404, "not_found"),
        ("/aborted//404", 404, "not_found"),
        ("/fine/", 404, "not_found"),
        ("/aborted/404", 404, "not_found"),
        ("/aborted/413", 413, "too_large"),
        ("/aborted/408", 408, "request_timeout"),
        ("/aborted/400", 422, "invalid"),
        ("/aborted/418", 500, "internal"),
        ("/aborted/500", 500, "internal"),
    ],
)
async def test_a_refusal_is_a_problem(app: QuartTrio, path: str, status: int, code: str) -> None:
    document = await refusal(await answered(app, Asked(raw_path=path)))
    assert (document["status"], document["code"], document["instance"]) == (status, code, path)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"])
async def test_a_wrong_method_is_told_the_right_ones(app: QuartTrio, method: str) -> None:
    peer = await answered(app, Asked(method, "/fine"))
    document = await refusal(peer)
    assert document["code"] == "method_not_allowed"
    assert peer.header(b"allow") == b"GET, HEAD"


@pytest.mark.parametrize("path", ["/fails", "/fails_twice"])
async def test_a_failure_is_logged_and_tells_nothing(
    app: QuartTrio, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    document = await refusal(await answered(app, Asked(raw_path=path)))
    assert (document["status"], document["code"]) == (500, "internal")
    assert "secret" not in json.dumps(document)
    assert {record.name for record in caplog.records} == {"parley.request"}
    assert caplog.records[0].__dict__["request_id"] == document["request_id"]


async def test_the_route_table_goes_before_routes_of_quart(tmp_path: Path) -> None:
    node = Node(Settings(data=tmp_path, store="memory"))
    whole = build(node.dispatcher, node.switchboard)
    for path in ("/healthz", "/fine"):
        whole.add_url_rule(path, path, fine)
    assert json.loads(await (await answered(whole, Asked(raw_path="/healthz"))).reads()) == {
        "status": "ok"
    }
    assert await (await answered(whole, Asked(raw_path="/fine"))).reads() == b"fine"
    beyond = await refusal(await answered(whole, Asked(raw_path="/beyond")))
    assert beyond["detail"].endswith("see /openapi.json for those there are")
    wrong = await answered(whole, Asked("POST", "/healthz"))
    assert (await refusal(wrong))["code"] == "method_not_allowed"


async def test_a_refusal_of_a_head_is_its_headers(app: QuartTrio) -> None:
    peer = await answered(app, Asked("HEAD", "/absent"))
    assert (peer.status, await peer.reads()) == (404, b"")
    length = peer.header(b"content-length")
    assert length is not None
    assert int(length) > 100


async def test_a_body_beyond_the_bound_is_too_large(app: QuartTrio) -> None:
    headers = {"content-length": "20"}
    peer = await answered(app, Asked("POST", "/large", headers=headers), Peer().sends(b"x" * 20))
    assert (await refusal(peer))["code"] == "too_large"


async def test_a_form_without_its_member_is_invalid(app: QuartTrio) -> None:
    peer = await answered(app, Asked("POST", "/form"), Peer().sends(b"a=b"))
    assert (await refusal(peer))["code"] == "invalid"
