"""A store that does not answer is a refusal with a time to come back, never a failure of ours."""

from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from typing import Any

import httpx2
import pytest

from persistence.memory import MemoryStores
from tests.support.answers import problem
from tests.support.faults import FaultyStores
from tests.support.realtime import talking
from tests.support.servers import Server, ServerName, serving
from tests.support.streams import NDJSON
from tests.support.talk import CONVERSATION, EVENTS, MESSAGES, get, post

EPHEMERAL = "/v1/auth/ephemeral"
FEED = "/v1/events/stream"
JSON = {"Accept": "application/json"}
_NUMBERS = count(1)


@pytest.fixture
def stores() -> FaultyStores:
    return FaultyStores(MemoryStores())


@pytest.fixture
async def faulty(
    tmp_path: Path, stores: FaultyStores, server_name: ServerName
) -> AsyncIterator[Server]:
    async with serving(tmp_path, stores=stores, server=server_name) as running:
        yield running


def unavailable(answer: httpx2.Response) -> None:
    problem(answer, 503, "storage_unavailable")
    assert int(answer.headers["Retry-After"]) >= 1


def requests(client: httpx2.AsyncClient, message: dict[str, Any]) -> list[httpx2.Request]:
    """Return requests that each need the store for something else."""
    make = client.build_request
    event, cursor = {"after": message["event_id"]}, {"after": message["cursor"]}
    grant = {"user_id": "usr_1", "scopes": ["conversation:read"], "ttl": 60}
    child = {"text": "x", "parent_id": message["id"]}
    return [
        make("GET", MESSAGES),
        make("GET", MESSAGES, params=event),
        make("GET", MESSAGES, params={"before": message["event_id"]}),
        make("GET", MESSAGES, params=cursor),
        make("GET", MESSAGES, params={"after": "now-1h"}),
        make("GET", EVENTS, headers=JSON),
        make("GET", EVENTS, headers=NDJSON),
        make("GET", EVENTS, headers=NDJSON | {"Last-Event-ID": message["cursor"]}),
        make("GET", FEED, params={"since": "now-1h"}),
        make("GET", FEED, params={"since": message["event_id"]}),
        make("GET", FEED, params={"conversation": "conv_123"}),
        make("POST", MESSAGES, json=child),
        make("POST", MESSAGES, json={"text": "x", "expected_version": 1}),
        make("POST", EPHEMERAL, json=grant | {"idempotency_key": str(next(_NUMBERS))}),
        make("GET", "/readyz"),
    ]


CALLS = ("read", "find", "head", "version_at", "read_feed", "get", "put_absent")


async def test_every_call_of_the_store_that_fails_is_told_alike(
    faulty: Server, stores: FaultyStores
) -> None:
    async with faulty.client(faulty.tenant.live) as client:
        message = await post(client, "first")
        await post(client, "second")
        for request in requests(client, message):
            stores.failing.update(CALLS)
            unavailable(await client.send(request))
            stores.failing.clear()
        refused = dict.fromkeys(CALLS, 0)
        for name in CALLS:
            for request in requests(client, message):
                stores.failing.add(name)
                answer = await client.send(request, stream=True)
                stores.failing.clear()
                if answer.status_code == 503:
                    await answer.aread()
                    unavailable(answer)
                    refused[name] += 1
                assert answer.status_code < 500 or answer.status_code == 503, request.url
                await answer.aclose()
        assert all(refused.values()), refused
        assert (await get(client, CONVERSATION))["version"] >= 3


async def test_a_socket_is_told_too_and_goes_on(faulty: Server, stores: FaultyStores) -> None:
    async with talking(faulty.realtime_url, faulty.tenant.live) as talk:
        posted = await talk.post("conv_123", "first")
        for after, call in ((posted["event_id"], "find"), (posted["cursor"], "version_at")):
            stores.failing.add(call)
            refused = await talk.refused("subscribe", conversation="conv_123", after=after)
            assert refused["code"] == "storage_unavailable"
            stores.failing.clear()
            await talk.asked("subscribe", conversation="conv_123", after=after)
        assert (await talk.post("conv_123", "second"))["version"] == 3


async def test_a_socket_that_cannot_be_caught_up_is_told_to_come_back(
    faulty: Server, stores: FaultyStores, caplog: pytest.LogCaptureFixture
) -> None:
    async with talking(faulty.realtime_url, faulty.tenant.live) as talk:
        await talk.post("conv_123", "first")
        stores.failing.add("read")
        await talk.say("subscribe", conversation="conv_123", after=0)
        frames, code = await talk.closing()
        stores.failing.clear()
    assert code == 1012
    assert [record for record in caplog.records if record.name == "parley.realtime"] == []
    assert [frame["op"] for frame in frames] == ["ok", "bye"]
    assert frames[-1]["reconnect"] is True
    async with talking(faulty.realtime_url, faulty.tenant.live) as talk:
        await talk.asked("subscribe", conversation="conv_123", after=0)
        assert [event.version for event in await talk.events(2)] == [1, 2]
