"""``/metrics`` over real sockets: who may read it, and whether it tells what happened."""

from typing import Any
from urllib.parse import urlsplit

import pytest
import trio
from prometheus_client.parser import text_string_to_metric_families
from trio_websocket import open_websocket_url

from tests.support.answers import PATIENCE_SECONDS, problem
from tests.support.servers import Server
from tests.support.talk import CONVERSATION, MESSAGES, post

PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
Figures = dict[tuple[str, frozenset[tuple[str, str]]], float]


async def scrape(server: Server) -> Figures:
    async with server.client(server.tenant.admin) as client:
        answer = await client.get("/metrics", headers={"Accept": PROMETHEUS})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def figure(figures: Figures, name: str, **labels: str) -> float | None:
    return figures.get((name, frozenset(labels.items())))


async def until(server: Server, wanted: float, name: str, **labels: str) -> None:
    """Scrape until a figure is as wanted."""
    with trio.fail_after(PATIENCE_SECONDS):
        while True:
            if figure(await scrape(server), name, **labels) == wanted:
                return


async def test_only_an_admin_key_reads_them(server: Server) -> None:
    async with server.client() as client:
        problem(await client.get("/metrics"), 401, "unauthenticated")
    ephemeral = await server.ephemeral()
    for key in (server.tenant.live, server.tenant.test, ephemeral):
        async with server.client(key) as client:
            refused = problem(await client.get("/metrics"), 403, "missing_scope")
            assert refused["required_scopes"] == ["admin:read"]
    assert figure(await scrape(server), "process_resident_memory_bytes")


async def test_an_admin_key_still_reads_no_conversation(server: Server) -> None:
    async with server.client(server.tenant.admin) as client:
        problem(await client.get(CONVERSATION), 403, "forbidden")


@pytest.mark.requirement("S91")
async def test_requests_are_counted_by_route_and_refusals_by_code(server: Server) -> None:
    async with server.client(server.tenant.live) as client:
        for _ in range(3):
            await post(client)
        await client.head(CONVERSATION)
        await client.get(CONVERSATION + "_absent")
        await client.get("/nowhere")
        await client.put(MESSAGES)
    figures = await scrape(server)
    count = "parley_http_request_seconds_count"
    for route, method, status, wanted in (
        ("post_message", "POST", "2xx", 3),
        ("get_conversation", "HEAD", "2xx", 1),
        ("get_conversation", "GET", "4xx", 1),
        ("unmatched", "GET", "4xx", 1),
        ("unmatched", "PUT", "4xx", 1),
    ):
        assert figure(figures, count, route=route, method=method, status=status) == wanted
    errors = "parley_http_request_errors_total"
    for route, code in (
        ("get_conversation", "not_found"),
        ("unmatched", "not_found"),
        ("unmatched", "method_not_allowed"),
    ):
        assert figure(figures, errors, route=route, code=code) == 1
    assert figure(figures, "parley_http_requests_in_flight") == 1


@pytest.mark.requirement("G19")
async def test_nothing_tells_tenants_or_paths_apart(server: Server) -> None:
    await scrape(server)
    async with server.client(server.tenant.live) as client:
        await post(client)
        await client.get("/nowhere/a")
        await client.put(MESSAGES)
    before = await scrape(server)
    for tenant in [server.tenant, *[await server.new_tenant() for _ in range(3)]]:
        async with server.client(tenant.live) as client:
            message = await post(client, conversation="conv_of_theirs")
            await client.get("/nowhere/else")
            await client.request("BREW", f"/v1/conversations/{message['id']}")
        labels = {value for _, pairs in await scrape(server) for _, value in pairs}
        for secret in (tenant.workspace, message["conversation_id"], "conv_of_theirs", "BREW"):
            assert not any(secret in value for value in labels)
    after = await scrape(server)
    new = {(name, dict(pairs).get("method")) for name, pairs in after.keys() - before.keys()}
    unserved = {"other"} if server.name == "hypercorn" else set()  # ours looks at no path for it
    assert {method for _, method in new} == unserved


async def test_a_failure_of_ours_is_counted(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail() -> bool:
        raise RuntimeError

    monkeypatch.setattr(server.node.engine, "ready", fail)
    async with server.client() as client:
        await client.get("/readyz")
    name = "parley_http_request_errors_total"
    assert figure(await scrape(server), name, route="readyz", code="internal") == 1


async def test_a_request_is_in_flight_until_its_client_leaves(server: Server) -> None:
    parts = urlsplit(server.url)
    stream = await trio.open_tcp_stream(parts.hostname or "", parts.port or 80)
    async with stream:
        head = f"POST {MESSAGES} HTTP/1.1\r\nHost: parley\r\nContent-Length: 20\r\n"
        head += "Content-Type: application/json\r\n"
        head += f"Authorization: Bearer {server.tenant.live}\r\n\r\n"
        await stream.send_all(head.encode())
        await until(server, 2, "parley_http_requests_in_flight")
    await until(server, 1, "parley_http_requests_in_flight")


@pytest.mark.parametrize("media_type", ["text/event-stream", "application/x-ndjson"])
async def test_open_streams_are_counted(server: Server, media_type: str) -> None:
    async with server.client(server.tenant.live) as client:
        async with client.stream(
            "GET", "/v1/events/stream", headers={"Accept": media_type}
        ) as stream:
            assert stream.status_code == 200
            assert figure(await scrape(server), "parley_streams", media_type=media_type) == 1
        await until(server, 0, "parley_streams", media_type=media_type)


async def test_open_websockets_are_counted_by_subprotocol(server: Server) -> None:
    kind = "parley.v1+json"
    async with open_websocket_url(server.realtime_url, subprotocols=[kind]):
        await until(server, 1, "parley_websockets", subprotocol=kind)
    await until(server, 0, "parley_websockets", subprotocol=kind)


async def test_commits_and_actors_are_counted_by_kind_of_environment(server: Server) -> None:
    async with server.client(server.tenant.live) as client:
        await post(client)
        await post(client)
    figures = await scrape(server)
    live: dict[str, Any] = {"environment": "live"}
    assert figure(figures, "parley_log_commits_total", **live, outcome="committed") == 2
    assert figure(figures, "parley_log_commit_seconds_count", **live) == 2
    assert figure(figures, "parley_log_commit_records_sum", **live) == 3
    assert figure(figures, "parley_log_position", **live) == 3
    assert figure(figures, "parley_log_records_waiting", **live) == 0
    assert figure(figures, "parley_actors", **live) == 1
    assert figure(figures, "parley_actors", environment="test") is None


async def test_the_loop_is_watched_from_the_first_scrape_on(server: Server) -> None:
    name = "parley_loop_lag_seconds_count"
    assert figure(await scrape(server), name) == 0
    await until(server, 1, name)
