"""The log in pages: both ways, by type, actor, conversation and position."""

from typing import Any

import httpx2
import pytest

from tests.support.answers import problem
from tests.support.servers import Server
from tests.support.talk import AGENT, USER, get, post

EVENTS = "/v1/events"


async def walked(client: httpx2.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    answer = await client.get(EVENTS, params=query)
    while True:
        assert answer.status_code == 200, answer.text
        assert len(answer.json()["data"]) <= int(query.get("limit", 50))
        found += answer.json()["data"]
        if answer.json()["next"] is None:
            return found
        answer = await client.get(str(answer.links["next"]["url"]))


async def talk(client: httpx2.AsyncClient) -> list[dict[str, Any]]:
    """Write in two conversations; return the messages."""
    return [
        await post(client, str(number), conversation=f"conv_{number % 2}", author=author)
        for number, author in enumerate((USER, AGENT, USER, AGENT, USER))
    ]


@pytest.mark.parametrize("limit", [1, 2, 50])
async def test_every_event_stands_on_one_page_in_either_order(server: Server, limit: int) -> None:
    async with server.client(server.tenant.live) as client:
        await talk(client)
        events = await walked(client, limit=limit)
        assert len(events) == 7
        messages = [event for event in events if event["type"] == "message.created"]
        assert [event["data"]["text"] for event in messages] == list("01234")
        assert await walked(client, limit=limit, order="newest") == events[::-1]
        of_one = await walked(client, limit=limit, conversation="conv_1", order="newest")
        assert [event["version"] for event in of_one] == [3, 2, 1]
        assert all(event in events for event in of_one)
        assert await walked(client, limit=limit, types="message.*") == messages


async def test_positions_bound_what_is_read_and_are_left_out(server: Server) -> None:
    async with server.client(server.tenant.live) as client:
        await talk(client)
        events = await walked(client)
        for at, event in enumerate(events):
            for name in (event["id"], event["cursor"]):
                for order, step in (("oldest", 1), ("newest", -1)):
                    after = await walked(client, since=name, order=order, limit=2)
                    before = await walked(client, before=name, order=order, limit=2)
                    assert after == events[at + 1 :][::step]
                    assert before == events[:at][::step]
        both = {"since": events[1]["id"], "before": events[4]["cursor"]}
        assert await walked(client, **both) == events[2:4]
        assert await walked(client, since=events[4]["id"], before=events[1]["id"]) == []
        assert await walked(client, since="now-1h") == events
        assert await walked(client, before="now-1h") == []
        assert await walked(client, before="2999-01-01T00:00:00Z") == events
        assert await walked(client, conversation="conv_0", since="2", before="4") == [
            event for event in events if event["data"].get("text") == "2"
        ]


async def test_an_actor_is_one_keys_subject(server: Server) -> None:
    async with (
        server.client(server.tenant.live) as staff,
        server.client(await server.ephemeral("acct_123")) as customer,
    ):
        await post(customer, "mine", author=USER)
        await post(staff, "ours", author=AGENT)
        found = await walked(staff, actor="acct_123", types="message.created")
        assert [event["data"]["text"] for event in found] == ["mine"]
        assert await walked(staff, actor="acct_nobody") == []


async def test_a_customer_reads_its_own_conversation_without_notes(server: Server) -> None:
    scopes = ("conversation:read", "conversation:write", "events:read")
    async with (
        server.client(server.tenant.live) as staff,
        server.client(await server.ephemeral("acct_123", scopes=scopes)) as customer,
    ):
        await post(customer, "one", conversation="conv_own", author=USER)
        await post(staff, "hidden", conversation="conv_own", author=AGENT, visibility="note")
        await post(customer, "two", conversation="conv_own", author=USER)
        await post(staff, "theirs", conversation="conv_other", author=AGENT)
        problem(await customer.get(EVENTS), 403, "forbidden")
        answer = await customer.get(EVENTS, params={"conversation": "conv_other"})
        problem(answer, 404, "not_found")
        found = await walked(customer, conversation="conv_own", order="newest", limit=1)
        assert [event["version"] for event in found] == [4, 2, 1]


async def test_another_tenants_events_are_none(server: Server) -> None:
    other = await server.new_tenant()
    async with (
        server.client(server.tenant.live) as ours,
        server.client(other.live) as theirs,
    ):
        await post(theirs, "theirs", author=USER)
        foreign = (await walked(theirs))[0]
        assert await walked(ours) == []
        for name in ("since", "before"):
            answer = await ours.get(EVENTS, params={name: foreign["id"]})
            problem(answer, 422, "bad_position")
            answer = await ours.get(EVENTS, params={name: foreign["cursor"]})
            problem(answer, 400, "bad_cursor")
        conversation = {"conversation": foreign["conversation"]}
        problem(await ours.get(EVENTS, params=conversation), 404, "not_found")
        problem(await ours.get(EVENTS, params={"types": "nonsense.*"}), 422, "out_of_range")
        problem(await ours.get(EVENTS, params={"since": "17"}), 422, "bad_position")


async def test_a_page_token_is_good_for_its_own_query_and_key(server: Server) -> None:
    other = await server.new_tenant()
    scopes = ("conversation:read", "conversation:write", "events:read")
    async with (
        server.client(server.tenant.live) as staff,
        server.client(other.live) as stranger,
        server.client(await server.ephemeral("acct_123", scopes=scopes)) as customer,
    ):
        await post(customer, "one", conversation="conv_1", author=USER)
        await talk(staff)
        asked = {"conversation": "conv_1", "limit": "1"}
        token = (await get(staff, EVENTS, **asked))["next"]
        theirs = (await get(customer, EVENTS, **asked))["next"]
        assert (await get(staff, EVENTS, page=token, **asked))["data"][0]["version"] == 2
        for client, query in (
            (staff, {"page": token}),
            (staff, {"page": token, **asked, "order": "newest"}),
            (staff, {"page": token, **asked, "types": "message.*"}),
            (staff, {"page": token, **asked, "actor": "acct_123"}),
            (staff, {"page": token, "conversation": "conv_0"}),
            (staff, {"page": theirs, **asked}),
            (staff, {"page": token[:-1], **asked}),
            (staff, {"page": "x", **asked}),
            (customer, {"page": token, **asked}),
            (stranger, {"page": token}),
        ):
            problem(await client.get(EVENTS, params=query), 400, "bad_cursor")
