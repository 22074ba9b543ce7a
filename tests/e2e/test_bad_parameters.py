"""Every parameter that is none, at every route that takes it, made from the table of routes."""

from collections.abc import Iterable, Iterator

import httpx2
import pytest
from msgspec import inspect

from gateway.api.contract import Route
from gateway.http.media_types import JSON, NDJSON, SSE
from gateway.http.query import SECRET_PARAMETERS
from gateway.limits import HEADER_BYTES_MAX
from tests.support.answers import (
    ROUTES,
    Refusals,
    exchange,
    fault_of,
    fields_of,
    good,
    key_of,
    kinds_of,
    path_of,
    problem,
)
from tests.support.servers import Server
from tests.support.talk import CONVERSATION, EVENTS, MESSAGES, get, position, post

FEED = "/v1/events/stream"
LONG = HEADER_BYTES_MAX - 100
"""Characters of a value that is long, and yet stands in a header that can be read."""

POSITIONS = ("after", "before", "since", "last_event_id")
ASKING = tuple(route for route in ROUTES if not route.public)
READING = tuple(route for route in ASKING if not route.mutating)

PARAMETER: Refusals = {(422, "bad_parameter")}
CURSOR: Refusals = {(400, "bad_cursor")}
POSITION: Refusals = {(422, "bad_position")}
VERSION: Refusals = {(422, "bad_version")}

NO_TIMES = (
    *("now-99999999d", "now-999999999w", "now-P999999W", "1969-12-31T23:59:59.999Z"),
    *("0001-01-01T00:00:00+14:00", "0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z"),
    *("2026-02-30", "2026-02-30T00:00:00Z", "2025-02-29T00:00:00Z", "2026-13-01T00:00:00Z"),
    *("2026-W03", "2026-W03-7", "2026-W03-7T12:00:00Z", "2026-018T12:00:00Z"),
    *("2026-01-18T12:00:00+99:99", "2026-01-18T12:00:00+24:00", "2026-01-18T12:00:00+12:60"),
    *("2026-01-18T12:00:60Z", "2016-12-31T23:59:60Z", "2026-01-18T24:00:00Z"),
    *("2026-01-18T12:00:00", "2026-01-18T12:00Z", "20260118T120000Z", "soon"),
    *("now+1m", "now-1y", "now-", "now-P", "now-PT1.5M", "yesterday"),
)
NO_VERSIONS = (
    *("-1", "1.5", "1e3", "0x1", "+1", "1_0", "\u0661", "9" * 16, "NaN", "null", 'W/"2"'),
    *('"aaaaaaaa.-1"', '"AAAAAAAA.1"', "aaaaaaaaa.1", '"aaaaaaaa.1.5"', '"2", "3"'),
)


def each(routes: Iterable[Route]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("route", list(routes), ids=lambda route: route.name)


def fields(route: Route) -> dict[str, tuple[inspect.Type, ...]]:
    """Return the parameters of a route, each with the types that it may have."""
    return {field.encode_name: kinds_of(field) for field in fields_of(route.query)}


def whole_numbers(route: Route) -> dict[str, inspect.IntType]:
    found = ((name, kind) for name, kinds in fields(route).items() for kind in kinds)
    return {name: kind for name, kind in found if isinstance(kind, inspect.IntType)}


def texts(route: Route) -> dict[str, inspect.StrType]:
    found = ((name, kind) for name, kinds in fields(route).items() for kind in kinds)
    return {name: kind for name, kind in found if isinstance(kind, inspect.StrType)}


def positions(route: Route) -> list[str]:
    return [name for name in fields(route) if name in POSITIONS]


def changed(text: str, at: int) -> str:
    return text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]


async def ask(
    client: httpx2.AsyncClient, route: Route, query: str, accept: str = ""
) -> httpx2.Response:
    """Make the route's good request, but for this query."""
    return await client.request(
        route.method,
        f"{path_of(route)}?{query}",
        json=good(route) if route.body else None,
        headers={"Accept": accept or route.produces[0]},
    )


def no_numbers(name: str, kind: inspect.IntType) -> Iterator[str]:
    assert kind.ge is not None, f"{name} has no lower bound"
    assert kind.le is not None, f"{name} has no upper bound"
    for value in (kind.ge - 1, kind.le + 1, -1, 2**63, 2**64, -(2**63) - 1, "9" * 5_000):
        yield f"{name}={value}"
    for text in (
        "1e9",
        "abc",
        "1.5",
        "0x1",
        "1_0",
        "%2B1",
        "%201",
        "1%20",
        "%D9%A1",
        "NaN",
        "null",
    ):
        yield f"{name}={text}"


@pytest.mark.requirement("B26")
@each([r for r in ROUTES if whole_numbers(r)])
async def test_a_number_that_is_none_is_refused_by_its_name(server: Server, route: Route) -> None:
    async with server.client(server.tenant.live) as staff:
        await post(staff)
    async with server.client(key_of(route, server.tenant)) as client:
        for name, kind in whole_numbers(route).items():
            for query in no_numbers(name, kind):
                for accept in route.produces:
                    answer = await ask(client, route, query, accept)
                    assert fault_of(answer, PARAMETER) is None, (query, accept)
                    assert [error["field"] for error in answer.json()["errors"]] == [name], query
            for edge in (kind.ge, kind.le):
                answer = await ask(client, route, f"{name}={edge}", JSON)
                assert answer.status_code == route.status, answer.text


@pytest.mark.requirement("B26")
@each(ROUTES)
async def test_a_parameter_is_given_once_and_spelt_right(server: Server, route: Route) -> None:
    async with server.client(server.tenant.live) as staff:
        await post(staff)
    async with server.client(key_of(route, server.tenant)) as client:
        before = await position(server)
        for name in (*fields(route), "nonsense"):
            for query in (f"{name}=1&{name}=1", f"{name}=&{name}=1", f"{name}=1&{name}=2"):
                answer = await ask(client, route, query)
                assert fault_of(answer, PARAMETER) is None, query
                assert answer.json()["errors"][0]["field"] == name
        for name in (*(found.title() for found in fields(route)), "nonsense", "%FF", "a%00", "_"):
            answer = await ask(client, route, f"{name}=1")
            assert fault_of(answer, PARAMETER) is None, name
        answer = await ask(client, route, "&".join(f"a{number}=1" for number in range(1_000)))
        assert fault_of(answer, PARAMETER) is None
        assert await position(server) == before


@each([r for r in ROUTES if texts(r)])
async def test_a_text_has_a_longest_length_and_no_nul(server: Server, route: Route) -> None:
    async with server.client(server.tenant.live) as staff:
        await post(staff)
    async with server.client(key_of(route, server.tenant)) as client:
        for name, kind in texts(route).items():
            assert kind.max_length is not None, f"{name} has no longest length"
            for value in ("1" * (kind.max_length + 1), "1%00", "%FF", "%ED%A0%80"):
                answer = await ask(client, route, f"{name}={value}")
                assert fault_of(answer, PARAMETER) is None, (name, value)


@pytest.mark.requirement("B28")
@each([r for r in READING if positions(r)])
async def test_a_time_that_is_none_is_refused(server: Server, route: Route) -> None:
    async with server.client(server.tenant.live) as staff:
        await post(staff)
    async with server.client(key_of(route, server.tenant)) as client:
        for name in positions(route):
            for text in NO_TIMES:
                answer = await ask(client, route, str(httpx2.QueryParams({name: text})))
                assert fault_of(answer, POSITION) is None, (name, text)


@pytest.mark.requirement("B27")
@each([r for r in READING if positions(r)])
async def test_a_cursor_that_was_not_made_here_is_refused(server: Server, route: Route) -> None:
    other = await server.new_tenant()
    async with server.client(server.tenant.live) as client, server.client(other.live) as others:
        ours, theirs = (await post(client))["cursor"], (await post(others))["cursor"]
        async with server.client(server.tenant.test) as sandbox:
            rehearsed = (await post(sandbox))["cursor"]
        forged = [
            theirs,
            rehearsed,
            ours[:-1],
            ours[:-4],
            ours[:20],
            ours + "AAAA",
            "cur_" + ours[4:].swapcase(),
        ]
        forged += [changed(ours, at) for at in (4, 12, 20, len(ours) - 2)]
        forged += ["cur_", "cur_" + "A" * 32, "cur_17", "cur_\u00e9", "cur_" + "A" * 190]
        for name in positions(route):
            for text in forged:
                answer = await ask(client, route, str(httpx2.QueryParams({name: text})))
                assert fault_of(answer, CURSOR) is None, (name, text)
                assert theirs not in answer.text


@pytest.mark.requirement("B27")
@each([r for r in READING if "page" in fields(r) and r.name != "query_events"])
async def test_a_page_token_that_was_not_made_for_this_is_refused(
    server: Server, route: Route
) -> None:
    other = await server.new_tenant()
    customers = [await server.ephemeral("acct_123") for _ in range(2)]
    customers.append(await server.ephemeral("acct_4"))
    async with server.client(server.tenant.live) as client, server.client(customers[0]) as customer:
        cursor = (await post(customer))["cursor"]
        for _ in range(3):
            await post(customer)
        await post(customer, conversation="conv_124")
        token = (await ask(client, route, "limit=1", JSON)).json()["next"]
        theirs = (await ask(customer, route, "limit=1", JSON)).json()["next"]
        forged = [theirs, cursor, token[:-1], token[:4], token + "AAAA", "x", "\u00e9", "2", "now"]
        for text in forged:
            answer = await ask(client, route, str(httpx2.QueryParams({"page": text})), JSON)
            assert fault_of(answer, CURSOR) is None, text
        assert (await ask(client, route, f"page={token}", JSON)).status_code == route.status
    for key, allowed in (
        (customers[0], CURSOR),
        (customers[2], CURSOR | {(404, "not_found")}),
        (other.live, CURSOR | {(404, "not_found")}),
    ):
        async with server.client(key) as stranger:
            answer = await ask(stranger, route, f"page={token}", JSON)
            assert fault_of(answer, allowed) is None
    async with server.client(customers[1]) as same:
        answer = await ask(same, route, f"page={theirs}", JSON)
        assert answer.status_code == route.status, "another key of one subject reads on"


@pytest.mark.requirement("B35")
@pytest.mark.parametrize(
    ("path", "accept"),
    [
        (MESSAGES, JSON),
        *((EVENTS, kind) for kind in (JSON, NDJSON, SSE)),
        (FEED, NDJSON),
        (FEED, SSE),
    ],
)
async def test_a_version_this_conversation_never_had_is_refused(
    server: Server, path: str, accept: str
) -> None:
    name = {MESSAGES: "after", EVENTS: "after", FEED: "since"}[path]
    async with server.client(server.tenant.live) as client:
        epoch = (await post(client))["epoch"]
        elsewhere = [await post(client, conversation="conv_long") for _ in range(3)][-1]
        named = {"conversation": "conv_123"} if path == FEED else {}
        wanted = {"Accept": accept}
        longer = f'"{epoch}.{elsewhere["version"]}"'
        for text, allowed in (
            ("3", VERSION),
            ('"3"', VERSION),
            (f'"{epoch}.3"', VERSION),
            (longer, VERSION),
            (elsewhere["event_id"], POSITION),
            *((text, POSITION) for text in NO_VERSIONS),
        ):
            answer = await client.get(path, params={name: text, **named}, headers=wanted)
            assert fault_of(answer, allowed) is None, text
        if accept == JSON:
            for text in ('"aaaaaaaa.1"', "aaaaaaaa.0", '"aaaaaaaa.999"'):
                answer = await client.get(path, params={name: text}, headers=wanted)
                problem(answer, 422, "bad_position")


@pytest.mark.requirement("B35")
async def test_a_version_that_is_none_is_not_what_one_knows(server: Server) -> None:
    async with server.client(server.tenant.live) as client:
        epoch = (await post(client))["epoch"]
        for path in (CONVERSATION, MESSAGES):
            for tag in (f'"{epoch}.1"', f'"{epoch}.3"', f'"{epoch}.2.0"', *NO_VERSIONS):
                if tag.isascii():
                    answer = await client.get(path, headers={"If-None-Match": tag})
                    assert answer.status_code == 200, tag
            known = await client.get(path, headers={"If-None-Match": f'"{epoch}.2"'})
            assert known.status_code == 304


@pytest.mark.requirement("B58")
@pytest.mark.parametrize("accept", [SSE, NDJSON])
@pytest.mark.parametrize("path", [EVENTS, FEED, f"{FEED}?conversation=conv_123"])
async def test_a_last_event_id_that_is_none_is_refused(
    server: Server, path: str, accept: str
) -> None:
    other = await server.new_tenant()
    async with server.client(server.tenant.live) as client, server.client(other.live) as others:
        ours, theirs = await post(client), await post(others)
        elsewhere = await post(client, conversation="conv_124")
        rows = [("cur_" + "A" * LONG, CURSOR), ("x" * LONG, POSITION), ("9" * LONG, POSITION)]
        rows += [(theirs["cursor"], CURSOR), (theirs["event_id"], POSITION)]
        rows += [(ours["cursor"][:-2], CURSOR), (ours["event_id"][:-1], POSITION)]
        rows += [(text, POSITION) for text in ("-1", '"', "\u00ff", "undefined", ours["id"])]
        if path != FEED:
            rows.append((elsewhere["event_id"], POSITION))
        for text, allowed in rows:
            header = [(b"Last-Event-ID", text.encode("latin-1")), (b"Accept", accept.encode())]
            answer = await client.get(path, headers=header)
            assert fault_of(answer, allowed) is None, text[:80]
        assert (await get(client, "/healthz"))["status"] == "ok"


@pytest.mark.requirement("B58")
@pytest.mark.parametrize("accept", [SSE, NDJSON])
@pytest.mark.parametrize("path", [EVENTS, FEED])
async def test_a_last_event_id_of_a_megabyte_is_refused_by_the_server(
    server: Server, path: str, accept: str
) -> None:
    async with server.client(server.tenant.live) as client:
        await post(client)
        lines = f"Host: parley\r\nAccept: {accept}\r\nAuthorization: Bearer {server.tenant.live}"
        huge = "cur_" + "A" * 1_000_000
        for target, more, status, code in (
            (path, f"\r\nLast-Event-ID: {huge}", 431, "headers_too_large"),
            (f"{path}?last_event_id={huge}", "", 414, "uri_too_long"),
        ):
            request = f"GET {target} HTTP/1.1\r\n{lines}{more}\r\n\r\n"
            answer = await exchange(server.url, request.encode())
            if server.name == "front_door":
                problem(answer, status, code)
            else:
                assert answer.status_code in {400, 431}, answer
        assert (await get(client, "/healthz"))["status"] == "ok"


@pytest.mark.requirement("B79")
@each(ROUTES)
async def test_a_credential_stands_in_no_url(server: Server, route: Route) -> None:
    key = key_of(route, server.tenant)
    async with server.client() as nobody, server.client(key) as client:
        for name in sorted(SECRET_PARAMETERS):
            answer = await ask(client, route, f"{name}={key}")
            problem(answer, 422, "bad_parameter")
            assert key not in answer.text
            answer = await ask(nobody, route, f"{name}={key}")
            allowed = PARAMETER if route.public else {(401, "unauthenticated")}
            assert fault_of(answer, allowed) is None
            assert key not in answer.text
