"""What the tests of the HTTP doors say to one another: short words for the usual requests."""

from typing import Any

import httpx2
import trio

from gateway.api.contract import Route
from tests.support.answers import path_of
from tests.support.desks import Desk
from tests.support.servers import Server

CONVERSATION = "/v1/conversations/conv_123"
MESSAGES = CONVERSATION + "/messages"
EVENTS = CONVERSATION + "/events"
PARTICIPANTS = CONVERSATION + "/participants"
USER = {"type": "user", "id": "usr_45"}
AGENT = {"type": "agent", "id": "agt_1"}


async def post(client: httpx2.AsyncClient, text: str = "Hello", **members: Any) -> dict[str, Any]:
    """Write a message to ``conv_123`` (or to ``conversation``) and return it."""
    name = members.pop("conversation", "conv_123")
    body = {"text": text, **members}
    answer = await client.post(f"/v1/conversations/{name}/messages", json=body)
    assert answer.status_code == 201, answer.text
    message: dict[str, Any] = answer.json()
    return message


UNREAD_MESSAGES, UNREAD_TEXT_BYTES = 160, 30_000
"""4.8 MB in all: more than the kernel keeps for one who does not read."""


async def fill(server: Server) -> None:
    """Write more to ``conv_123`` than fits between a server and a client."""
    desk = Desk(await server.node.engine.environment(server.tenant.workspace, "live"))
    async with trio.open_nursery() as nursery:
        for _ in range(UNREAD_MESSAGES):
            nursery.start_soon(desk.post, desk.staff, "x" * UNREAD_TEXT_BYTES)


async def note(client: httpx2.AsyncClient, text: str = "between us") -> dict[str, Any]:
    """Leave a private note in ``conv_123``."""
    return await post(client, text, visibility="note", author=AGENT)


async def prepared(client: httpx2.AsyncClient, route: Route, name: str = "conv_123") -> str:
    """Make what a route needs and return its path.

    That is a conversation at version 2 with a message of an agent's, who takes part in it by that.
    """
    if route.workspace and route.mutating:
        await post(client, author=USER, conversation=name)  # somebody to be erased
    if "{erasure}" in route.path:
        contact = (await post(client, author=USER, conversation=name))["contact_id"]
        body = {"environment": "live", "subject": contact}
        answer = await client.post("/v1/admin/privacy/erasures", json=body)
        return path_of(route, erasure=answer.json()["id"])
    if "{conversation}" not in route.path:
        return path_of(route)
    message = await post(client, author=AGENT, conversation=name)
    return path_of(route, name, message=message["id"], **AGENT)


async def change(client: httpx2.AsyncClient, path: str, **members: Any) -> dict[str, Any]:
    """Change what is at ``path``, whatever version it has, and return it."""
    answer = await client.patch(path, json=members, headers={"If-Match": "*"})
    assert answer.status_code == 200, answer.text
    changed: dict[str, Any] = answer.json()
    return changed


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
