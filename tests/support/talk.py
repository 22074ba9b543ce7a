"""What the tests of the HTTP doors say to one another: short words for the usual requests."""

from typing import Any

import httpx2

from tests.support.servers import Server

CONVERSATION = "/v1/conversations/conv_123"
MESSAGES = CONVERSATION + "/messages"
EVENTS = CONVERSATION + "/events"
USER = {"type": "user", "id": "usr_45"}


async def post(client: httpx2.AsyncClient, text: str = "Hello", **members: Any) -> dict[str, Any]:
    """Write a message to ``conv_123`` (or to ``conversation``) and return it."""
    name = members.pop("conversation", "conv_123")
    body = {"text": text, **members}
    answer = await client.post(f"/v1/conversations/{name}/messages", json=body)
    assert answer.status_code == 201, answer.text
    message: dict[str, Any] = answer.json()
    return message


async def note(client: httpx2.AsyncClient, text: str = "between us") -> dict[str, Any]:
    """Leave a private note in ``conv_123``."""
    return await post(client, text, visibility="note", author={"type": "agent", "id": "agt_1"})


async def get(client: httpx2.AsyncClient, path: str, **query: Any) -> Any:
    """Read something that is there, as JSON."""
    answer = await client.get(path, params=query or None, headers={"Accept": "application/json"})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def position(server: Server, key: str | None = None) -> int:
    """Return the position of the log that ``key`` writes."""
    principal = await server.node.engine.authenticate(key or server.tenant.live)
    environment = await server.node.engine.environment(principal.workspace, principal.environment)
    return environment.log.committed()
