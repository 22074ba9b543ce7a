"""A reply stays the answer to what it was an answer to."""

import pytest

from tests.support.answers import problem
from tests.support.servers import Server
from tests.support.talk import MESSAGES, get, post


@pytest.mark.requirement("B37")
async def test_no_change_makes_a_circle_of_parents(server: Server) -> None:
    async with server.client(server.tenant.live) as client:
        first = await post(client)
        reply = await post(client, parent_id=first["id"])
        for one, other in ((first, reply), (first, first), (reply, reply)):
            path = f"{MESSAGES}/{one['id']}"
            tag = {"If-Match": f'"{reply["epoch"]}.{reply["version"]}"'}
            body = {"text": "Hello", "parent_id": other["id"]}
            problem(await client.patch(path, json=body, headers=tag), 422, "unknown_field")
        kept = (await get(client, MESSAGES))["data"]
    assert [message["parent_id"] for message in kept] == [None, first["id"]]
