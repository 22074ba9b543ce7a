"""An EventSource comes back with the URL it began with, and gets nothing twice."""

import pytest

from tests.support.servers import Server
from tests.support.streams import NDJSON, SSE, following
from tests.support.talk import EVENTS, post

FEED = "/v1/events/stream"


@pytest.mark.parametrize("accept", [NDJSON, SSE], ids=["ndjson", "sse"])
@pytest.mark.parametrize(
    ("path", "query"),
    [
        (EVENTS, {"after": "1"}),
        (EVENTS, {"last_event_id": "1"}),
        (FEED, {"since": "now-1h"}),
        (FEED, {"since": "0", "conversation": "conv_123"}),
    ],
)
async def test_an_event_source_that_connects_again_gets_nothing_twice(
    server: Server, accept: dict[str, str], path: str, query: dict[str, str]
) -> None:
    async with server.client(server.tenant.live) as client:
        newest = [await post(client, str(number)) for number in range(4)][-1]
        async with following(client, path, accept, **query) as stream:
            before = await stream.take(4)
            assert before[-1]["version"] in {newest["version"], newest["version"] - 1}
        again = accept | {"Last-Event-ID": newest["cursor"]}
        async with following(client, path, again, **query) as stream:
            fresh = await post(client, "fresh")
            assert await stream.versions(1) == [fresh["version"]]
