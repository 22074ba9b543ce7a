"""Lists of conversations: what an inbox shows, to whom, and how fresh it is."""

from typing import Any

import httpx2
import pytest

from tests.support.answers import fault_of, problem
from tests.support.servers import Server
from tests.support.talk import AGENT, USER, get, post

LIST = "/v1/conversations"
COUNTS = f"{LIST}/counts"
MAYA = {"type": "agent", "id": "agent_maya"}


async def change(client: httpx2.AsyncClient, name: str, **fields: Any) -> None:
    version = (await get(client, f"{LIST}/{name}"))["version"]
    answer = await client.patch(f"{LIST}/{name}", json={**fields, "expected_version": version})
    assert answer.status_code == 200, answer.text


async def names(client: httpx2.AsyncClient, **query: Any) -> list[str]:
    page = await get(client, LIST, **query)
    return [item["external_id"] for item in page["data"]]


async def test_an_item_is_the_conversation_as_its_own_route_answers_it(server: Server) -> None:
    customer_key = await server.ephemeral("usr_45")
    async with (
        server.client(server.tenant.live) as staff,
        server.client(customer_key) as customer,
    ):
        for name in ("conv_1", "conv_2"):
            await post(staff, conversation=name, author=USER)
        await post(staff, conversation="conv_1", author=AGENT, visibility="note")
        await change(staff, "conv_1", tags=["delivery"], assignee=MAYA, attributes={"vip": True})
        for client in (staff, customer):
            page = await get(client, LIST)
            assert page["next"] is None
            assert len(page["data"]) == 2
            for item in page["data"]:
                assert item == await get(client, f"{LIST}/{item['id']}")


@pytest.mark.parametrize(
    ("query", "right"),
    [
        ({}, ["d", "c", "b", "a"]),
        ({"order": "oldest"}, ["a", "b", "c", "d"]),
        ({"status": "closed"}, ["b"]),
        ({"status": "open,closed"}, ["d", "c", "b", "a"]),
        ({"assignee": "agent_maya"}, ["c"]),
        ({"assignee": "agent:agent_maya", "status": "closed"}, []),
        ({"assignee": "bot:agent_maya"}, []),
        ({"assignee": "none"}, ["d", "b", "a"]),
        ({"tag": "delivery"}, ["d", "a"]),
        ({"tag": "delivery", "priority": "high,urgent"}, ["d"]),
        ({"requester": "usr_1"}, ["c", "a"]),
        ({"participant": "user:usr_2"}, ["d", "b"]),
        ({"participant": "agent:agent_maya"}, ["a"]),
        ({"updated_since": "now-1h"}, ["d", "c", "b", "a"]),
        ({"updated_since": "2999-01-01T00:00:00Z"}, []),
        ({"limit": 2}, ["d", "c"]),
    ],
    ids=str,
)
async def test_filters_join_and_the_newest_activity_comes_first(
    front_door: Server, query: dict[str, Any], right: list[str]
) -> None:
    async with front_door.client(front_door.tenant.live) as client:
        for at, name in enumerate("abcd"):
            author = {"type": "user", "id": f"usr_{at % 2 + 1}"}
            await post(client, conversation=name, author=author)
        await post(client, conversation="a", author=MAYA)
        await change(client, "a", tags=["delivery", "refund"])
        await change(client, "b", status="closed")
        await change(client, "c", assignee=MAYA)
        await change(client, "d", tags=["delivery"], priority="urgent")
        assert await names(client, **query) == right


async def test_pages_lead_through_every_conversation_once(server: Server) -> None:
    async with server.client(server.tenant.live) as client:
        for number in range(7):
            await post(client, conversation=f"conv_{number}", author=USER)
        found, path = list[str](), f"{LIST}?limit=3&order=oldest&requester={USER['id']}"
        while path:
            answer = await client.get(path)
            assert answer.status_code == 200, answer.text
            found += [item["external_id"] for item in answer.json()["data"]]
            path = str(answer.links["next"]["url"]) if answer.json()["next"] else ""
        assert sorted(found) == [f"conv_{number}" for number in range(7)]


async def test_what_was_acked_before_is_listed_and_the_answer_says_as_of_when(
    server: Server,
) -> None:
    cursor = ""
    async with server.client(server.tenant.live) as client:
        for number in range(10):
            written = await post(client, conversation=f"conv_{number}", author=USER)
            answer = await client.get(LIST, params={"limit": 1})
            assert answer.json()["data"][0]["external_id"] == f"conv_{number}"
            cursor = answer.headers["Parley-As-Of"]
            assert cursor == written["cursor"]
        for path in (LIST, COUNTS):
            assert (await client.get(path)).headers["Parley-As-Of"] == cursor


async def test_a_customer_lists_what_it_takes_part_in_and_nothing_else(server: Server) -> None:
    other = await server.new_tenant()
    keys = [await server.ephemeral(subject) for subject in ("acct_123", "acct_4", "usr_45")]
    async with (
        server.client(server.tenant.live) as staff,
        server.client(keys[0]) as account,
        server.client(keys[1]) as stranger,
        server.client(keys[2]) as user,
        server.client(other.live) as elsewhere,
    ):
        await post(account, conversation="conv_own", author=USER)
        await post(staff, conversation="conv_staff", author=AGENT)
        await post(stranger, conversation="conv_theirs", author={"type": "user", "id": "usr_9"})
        await post(staff, conversation="conv_own", author=AGENT, visibility="note")
        assert await names(account) == ["conv_own"]
        assert await names(stranger) == ["conv_theirs"]
        assert await names(user) == ["conv_own"]
        assert await names(account, requester="usr_9") == []
        assert await names(elsewhere) == []
        assert len(await names(staff)) == 3
        removed = await staff.delete(f"{LIST}/conv_own/participants/user/{USER['id']}")
        assert removed.status_code == 200, removed.text
        assert await names(account) == []
        for query in ("assignee=none", "tag=delivery", "priority=high", "participant=agent:a"):
            problem(await account.get(f"{LIST}?{query}"), 403, "forbidden")
        problem(await account.get(COUNTS), 403, "forbidden")


async def test_conversations_are_counted(server: Server) -> None:
    async with server.client(server.tenant.live) as client:
        assert await get(client, COUNTS) == {"by": "status", "data": []}
        for name in "abc":
            await post(client, conversation=name, author=USER)
        await change(client, "a", status="closed")
        await change(client, "b", assignee=MAYA)
        open_ones = {"value": "open", "count": 2}
        closed = {"value": "closed", "count": 1}
        assert await get(client, COUNTS) == {"by": "status", "data": [open_ones, closed]}
        found = await get(client, COUNTS, by="assignee", status="open")
        assert found["by"] == "assignee"
        assert sorted(found["data"], key=str) == sorted(
            [{"value": MAYA, "count": 1}, {"value": None, "count": 1}], key=str
        )


BAD = (
    *("status=gone", "status=open,", "status=open,gone", "priority=high,high,low,x"),
    *("order=sideways", "by=tag", "limit=0", "limit=201", "requester=agent:", "assignee=%20%0a"),
    *("participant=" + "x" * 200, "tag=" + "x" * 65, "nonsense=1", "status=open&status=closed"),
)


async def test_a_filter_that_is_none_is_refused(server: Server) -> None:
    allowed = {(422, "bad_parameter"), (422, "forbidden_character")}
    async with server.client(server.tenant.live) as client:
        await post(client)
        for query in BAD:
            assert fault_of(await client.get(f"{LIST}?{query}"), allowed) is None, query
        for text in ("17", "evt_01jd1e2f3g4h5j6k7m8n9p0q1r", "yesterday", "2026-02-30T00:00:00Z"):
            answer = await client.get(LIST, params={"updated_since": text})
            problem(answer, 422, "bad_position")
