"""What holds for every route, made from the table; and the document that is made from it too."""

import re

import msgspec
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from gateway.api.contract import Response, Route
from gateway.http.media_types import JSON, MSGPACK
from gateway.http.problem import PROBLEMS
from tests.support.answers import (
    PROBLEM,
    ROUTES,
    WITH_BODY,
    exchange,
    fault_of,
    key_of,
    path_of,
    problem,
)
from tests.support.servers import Server
from tests.support.talk import CONVERSATION, EVENTS, MESSAGES, USER, get, post, prepared

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
UNTRACED = TRACE.replace("4bf92f3577b34da6a3ce929d0e0e4736", "0" * 32)

BY_NAME = pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)


def methods_of(route: Route) -> set[str]:
    return {other.method for other in ROUTES if other.path == route.path}


UNSERVED = ("TRACE", "CONNECT", "PROPFIND", "PRI", "BREW", "get")
"""No path takes these: the front door need not look at it (RFC 9110, section 9.1)."""

UNKNOWN = (
    *("/v1", "/v2/conversations", "/v1/conversations/conv_123/", "//v1/conversations/conv_123"),
    *("/v1/conversations//messages", "/v1/x/../conversations/conv_123", "/healthz/"),
    *("/v1/conversations/%2e%2e/x", "/v1/conversations/a%2fb", "/v1/conversations/a%00"),
    *("/v1/./conversations/conv_123", "/v1/conversations/.."),
    *("/v1/conversations/%ff", "/v1/conversations/a%0ab", "/V1/conversations/conv_123"),
    *("/v1/conversations/conv_123;x/messages/", "/favicon.ico", "/static/x", "/problems/none"),
    "/" + "x" * 3_000,
)


@pytest.mark.requirement("S96", "B25", "B93")
async def test_an_unknown_path_is_not_found(server: Server) -> None:
    lines = f"Host: parley\r\nAccept: text/html\r\nAuthorization: Bearer {server.tenant.live}"
    async with server.client(server.tenant.live) as client:
        await post(client)
    for path in UNKNOWN:
        for method in ("GET", "OPTIONS") if path != "/problems/none" else ("GET",):
            request = f"{method} {path} HTTP/1.1\r\n{lines}\r\n\r\n".encode()
            answer = await exchange(server.url, request)
            assert fault_of(answer, {(404, "not_found")}) is None, path


async def test_an_asterisk_stands_for_the_server_and_is_no_path(server: Server) -> None:
    for method in ("OPTIONS", "GET"):
        request = f"{method} * HTTP/1.1\r\nHost: parley\r\n\r\n".encode()
        answer = await exchange(server.url, request)
        if method == "GET" and server.name == "front_door":
            problem(answer, 400, "bad_framing")  # RFC 9112, section 3.2.4
        else:
            problem(answer, 404, "not_found")


@pytest.mark.requirement("B21", "B93")
@pytest.mark.parametrize("method", UNSERVED)
async def test_a_method_that_no_path_takes_is_refused(server: Server, method: str) -> None:
    for path in ("/healthz", MESSAGES, "/nowhere", "/docs"):
        request = f"{method} {path} HTTP/1.1\r\nHost: parley\r\n\r\n".encode()
        answer = await exchange(server.url, request)
        if server.name == "front_door":
            problem(answer, 501, "not_implemented")
        elif method == "get":
            assert answer.status_code != 501  # it is GET to Hypercorn, whatever RFC 9110, 9.1 says
        elif path == "/nowhere":
            problem(answer, 404, "not_found")
        else:
            problem(answer, 405, "method_not_allowed")


@pytest.mark.requirement("B93")
@BY_NAME
async def test_every_other_method_is_refused_and_told_the_right_ones(
    server: Server, route: Route
) -> None:
    allowed = methods_of(route)
    async with server.client() as client:
        for method in {*METHODS, "HEAD"} - allowed - ({"HEAD"} if "GET" in allowed else set()):
            answer = await client.request(method, path_of(route))
            assert answer.status_code == 405, method
            told = set(answer.headers["Allow"].split(", "))
            assert told == allowed | ({"HEAD"} if "GET" in allowed else set())
            if method != "HEAD":
                problem(answer, 405, "method_not_allowed")


@pytest.mark.requirement("B93")
@BY_NAME
async def test_what_a_route_does_not_produce_is_not_acceptable(
    server: Server, route: Route
) -> None:
    async with server.client(server.tenant.live) as client:
        await post(client)
    async with server.client(key_of(route, server.tenant)) as client:
        for accept in ("text/html", "image/png", "application/xml;q=0.5, text/html", "x"):
            if "text/html" in accept and "text/html" in route.produces:
                continue
            answer = await client.request(
                route.method, path_of(route), json=route.examples, headers={"Accept": accept}
            )
            problem(answer, 406, "not_acceptable")
        refused = ", ".join(f"{kind};q=0" for kind in route.produces)
        answer = await client.request(
            route.method, path_of(route), json=route.examples, headers={"Accept": refused}
        )
        problem(answer, 406, "not_acceptable")


@pytest.mark.parametrize(
    "route", [r for r in ROUTES if r.method == "GET"], ids=lambda route: route.name
)
async def test_head_is_get_without_the_body(server: Server, route: Route) -> None:
    async with server.staff() as client:
        path = await prepared(client, route)
    async with server.client(key_of(route, server.tenant)) as client:
        accept = {"Accept": route.produces[-1]}
        head = await client.head(path, headers=accept)
        assert (head.status_code, head.content) == (200, b"")
        if JSON not in route.produces and "text/html" not in route.produces:
            return
        whole = await client.get(path, headers=accept)
        for name in ("Content-Type", "Content-Length", "ETag", "Link"):
            assert head.headers.get(name) == whole.headers.get(name), name


@BY_NAME
async def test_a_cache_is_told_which_answers_depend_on_what_is_accepted(
    server: Server, route: Route
) -> None:
    async with server.client(key_of(route, server.tenant)) as client:
        for accept in (route.produces[-1], "image/png"):
            headers = {"Accept": accept}
            async with client.stream(route.method, path_of(route), headers=headers) as answer:
                assert answer.headers.get("Vary") == ("Accept" if len(route.produces) > 1 else None)


async def test_head_of_what_is_not_there_is_not_found(server: Server) -> None:
    async with server.client(server.tenant.live) as client:
        head = await client.head("/v1/conversations/conv_absent")
        assert (head.status_code, head.content) == (404, b"")
        assert head.headers["Content-Type"] == PROBLEM


async def test_every_answer_has_an_id_of_its_own(server: Server) -> None:
    seen = []
    async with server.client(server.tenant.live) as client:
        await post(client)
        for method, path in (
            ("GET", "/healthz"),
            ("GET", "/readyz"),
            ("GET", CONVERSATION),
            ("POST", MESSAGES),
            ("GET", "/nowhere"),
            ("PUT", CONVERSATION),
            ("HEAD", CONVERSATION),
        ):
            answer = await client.request(method, path)
            seen.append(answer.headers["Request-Id"])
            assert answer.headers["Parley-Version"]
    assert all(text.startswith("req_") for text in seen)
    assert len(set(seen)) == len(seen)


async def test_the_server_says_that_it_lives_and_can_serve(server: Server) -> None:
    async with server.client() as client:
        assert (await client.get("/healthz")).json() == {"status": "ok"}
        assert (await client.get("/readyz")).json() == {"status": "ready"}
        packed = await client.get("/healthz", headers={"Accept": MSGPACK})
        assert msgspec.msgpack.decode(packed.content) == {"status": "ok"}


@pytest.mark.requirement("S1")
async def test_the_contract_is_openapi_and_has_every_route(server: Server) -> None:
    async with server.client() as client:
        answer = await client.get("/openapi.json")
    assert answer.headers["Content-Type"] == "application/json"
    document = answer.json()
    assert document["openapi"].startswith("3.1.")
    OpenAPIV31SpecValidator(document).validate()
    operations = {
        (method.upper(), path): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    assert operations.keys() == {(route.method, route.path) for route in ROUTES}
    names = [operation["operationId"] for operation in operations.values()]
    assert len(set(names)) == len(names)
    for route in ROUTES:
        operation = operations[route.method, route.path]
        assert operation["security"] == ([] if route.public else [{"key": []}])
        assert operation.get("x-required-scopes", []) == list(route.scopes)
        assert set(re.findall(r"\{(\w+)\}", route.path)) == {
            parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "path"
        }
        statuses = {str(PROBLEMS[code].status) for code in route.errors}
        assert operation["responses"].keys() >= statuses | {str(route.status)}


@pytest.mark.parametrize("route", WITH_BODY, ids=lambda route: route.name)
async def test_the_example_of_the_contract_works(server: Server, route: Route) -> None:
    async with server.staff() as client:
        document = (await client.get("/openapi.json")).json()
        operation = document["paths"][route.path][route.method.lower()]
        example = operation["requestBody"]["content"][JSON]["example"]
        path = await prepared(client, route)
        answer = await client.request(route.method, path, json=example)
        assert answer.status_code == route.status


@pytest.mark.requirement("B93")
async def test_every_problem_has_a_page_and_nothing_else_is_html(server: Server) -> None:
    async with server.client(server.tenant.live) as client:
        for code in PROBLEMS:
            page = await client.get(f"/problems/{code}", headers={"Accept": "text/html,*/*;q=0.1"})
            assert page.status_code == 200
            assert code in page.text
        for path in ("/", "/nowhere", CONVERSATION, "/healthz", "/openapi.json", "/problems/none"):
            answer = await client.get(path)
            assert "html" not in answer.headers["Content-Type"], path
            assert not answer.text.lstrip().startswith("<"), path


@pytest.mark.requirement("S90")
async def test_the_trace_of_a_request_stands_on_its_events(server: Server) -> None:
    async with server.client(server.tenant.live) as client:
        for trace in (TRACE, "nonsense", TRACE.upper(), UNTRACED):
            body = {"text": "Hello"}
            answer = await client.post(MESSAGES, json=body, headers={"traceparent": trace})
            assert answer.status_code == 201
        events = (await get(client, EVENTS))["data"]
    assert [event["traceparent"] for event in events] == [TRACE, TRACE, None, None, None]
    assert all(event["idempotency_key"] == event["id"] for event in events)


async def test_messagepack_goes_in_and_comes_out(server: Server) -> None:
    body = {"text": "Hello", "author": USER, "metadata": {"a": [1, 2.5, None, True, {"b": "c"}]}}
    packed = {"Content-Type": MSGPACK, "Accept": MSGPACK}
    async with server.client(server.tenant.live) as client:
        raw = msgspec.msgpack.encode(body)
        answer = await client.post(MESSAGES, content=raw, headers=packed)
        assert (answer.status_code, answer.headers["Content-Type"]) == (201, MSGPACK)
        message = msgspec.msgpack.decode(answer.content)
        assert message["metadata"] == body["metadata"]
        assert (await get(client, MESSAGES))["data"] == [message]
        for path in (CONVERSATION, MESSAGES):
            json = await client.get(path, headers={"Accept": JSON})
            other = await client.get(path, headers={"Accept": MSGPACK})
            assert msgspec.msgpack.decode(other.content) == json.json()
        refused = await client.post(MESSAGES, content=b"\xc1", headers=packed)
        problem(refused, 400, "malformed_msgpack")


async def test_a_key_sent_as_json_is_known_as_messagepack(server: Server) -> None:
    body = {"text": "Hello", "idempotency_key": "k"}
    async with server.client(server.tenant.live) as client:
        first = await client.post(MESSAGES, json=body)
        again = await client.post(
            MESSAGES, content=msgspec.msgpack.encode(body), headers={"Content-Type": MSGPACK}
        )
        assert again.headers["Idempotent-Replayed"] == "true"
        assert again.content == first.content


async def test_a_failure_of_ours_is_a_problem_too(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The only stand-in: there is no input known that makes a handler fail."""

    async def fail() -> Response:
        message = "SECRET of the inside"
        raise RuntimeError(message)

    monkeypatch.setattr(server.node.engine, "ready", fail)
    async with server.client() as client:
        answer = await client.get("/readyz")
    problem(answer, 500, "internal")
    assert "SECRET" not in answer.text
