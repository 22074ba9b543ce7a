"""The requests that a newcomer is shown first, from the server's key to the app's stream."""

from typing import Any

import pytest

from tests.support.servers import Server
from tests.support.streams import SSE, following

GRANT = {"user_id": "acct_123", "scopes": ["conversation:read", "conversation:write"], "ttl": 600}
MESSAGE = {
    "author": {"type": "user", "id": "usr_45"},
    "type": "text",
    "text": "Hello — I need help with my order",
    "idempotency_key": "msg-client-987",
}
MESSAGES = "/v1/conversations/conv_123/messages"
EVENTS = "/v1/conversations/conv_123/events"
FEED = "/v1/events/stream?since=now-1m"


async def key_of_an_app(server: Server) -> str:
    """Ask for an ephemeral key as it is written."""
    async with server.client(server.tenant.live) as backend:
        answer = await backend.post("/v1/auth/ephemeral", json=GRANT)
    assert answer.status_code == 201
    made: dict[str, str] = answer.json()
    assert made.keys() >= {"ephemeral_key", "expires_at"}
    assert made["expires_at"].endswith("Z")
    return made["ephemeral_key"]


def holds(whole: dict[str, Any], part: dict[str, Any]) -> bool:
    return whole.items() >= part.items()


@pytest.mark.requirement("S4", "S13", "S14", "S50")
async def test_an_app_writes_with_its_own_key_and_body_as_they_are_written(server: Server) -> None:
    key = await key_of_an_app(server)
    assert key.startswith("ek_live_")
    assert server.tenant.live.startswith("sk_live_")
    assert server.tenant.admin.startswith("sk_admin_")
    said = {name: value for name, value in MESSAGE.items() if name != "idempotency_key"}
    async with server.client(key) as app:
        answer = await app.post(MESSAGES, json=MESSAGE)
        assert answer.status_code == 201
        message = answer.json()
        assert holds(message, said)
        assert message["conversation_external_id"] == "conv_123"
        assert (message["version"], message["id"][:4]) == (2, "msg_")
        again = await app.post(MESSAGES, json=MESSAGE)
        assert (again.status_code, again.content) == (201, answer.content)


@pytest.mark.requirement("S51")
@pytest.mark.parametrize("headers", [SSE, {"Accept": "*/*"}], ids=["asked for", "by itself"])
async def test_an_app_follows_its_conversation_as_it_is_written(
    server: Server, headers: dict[str, str]
) -> None:
    key = await key_of_an_app(server)
    async with server.client(key) as app:
        assert (await app.post(MESSAGES, json=MESSAGE)).status_code == 201
        async with following(app, EVENTS, headers) as stream:
            assert stream.headers["Content-Type"].startswith("text/event-stream")
            second = MESSAGE | {"text": "It is late", "idempotency_key": "msg-client-988"}
            written = (await app.post(MESSAGES, json=second)).json()
            (event,) = await stream.take(1)
    assert event["type"] == "message.created"
    assert event["id"] == written["event_id"]
    assert event["data"]["text"] == "It is late"


@pytest.mark.requirement("S24", "S26", "S27")
async def test_a_server_follows_everything_as_it_is_written(server: Server) -> None:
    key = await key_of_an_app(server)
    async with server.client(key) as app, server.client(server.tenant.live) as backend:
        written = (await app.post(MESSAGES, json=MESSAGE)).json()
        async with following(backend, FEED, {"Accept": "*/*"}) as stream:
            user, created, message = await stream.take(3)
    assert [list(event)[:3] for event in (user, created, message)] == [["type", "id", "data"]] * 3
    for event in (user, created, message):
        assert (event["schema"], event["idempotency_key"]) == (1, event["id"])
    assert [user["type"], created["type"]] == ["user.created", "conversation.created"]
    assert (message["type"], message["id"]) == ("message.created", written["event_id"])
    assert holds(message["data"], {"text": MESSAGE["text"], "author": MESSAGE["author"]})


@pytest.mark.requirement("S86")
async def test_every_route_of_an_api_carries_its_version(server: Server) -> None:
    async with server.client() as client:
        answer = await client.get("/openapi.json")
    assert answer.headers["Parley-Version"]
    carried = {
        path.startswith("/v1/")
        for path, methods in answer.json()["paths"].items()
        for operation in methods.values()
        if operation["tags"] != ["operations"]
    }
    assert carried == {True}
