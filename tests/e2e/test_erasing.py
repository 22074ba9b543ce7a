"""Somebody is erased: no byte of it is left to be read, and every door goes on."""

from typing import Any

import httpx2
import pytest

from tests.support.answers import problem
from tests.support.canaries import Canaries, readable
from tests.support.confidences import Confidences
from tests.support.erasing import ERASURES, ask_to_erase, erased
from tests.support.realtime import talking
from tests.support.servers import Server, serving
from tests.support.streams import NDJSON, SSE, following
from tests.support.talk import AGENT, CONVERSATION, EVENTS, MESSAGES, USER, change, get, post
from tests.support.unsealing import Thief

NOBODY = {"type": "system", "id": "erased"}
FELLOW = {"type": "user", "id": "usr_9"}
FEED = "/v1/events/stream"


def found_by(thief: Thief, canaries: Canaries) -> set[str]:
    """Return the canaries that whoever holds folder and master key can read."""
    return {name for plain in thief.plain() for name in canaries.in_bytes(plain)}


async def test_nothing_of_an_erased_customer_is_left_in_any_file_even_for_the_master_key(
    server: Server,
) -> None:
    canaries, folder = Canaries(), server.node.settings.data
    confidences = Confidences(server, canaries)
    await confidences.fill()
    thief = Thief(folder, server.node.master_key)
    before = found_by(thief, canaries)
    assert before >= confidences.OF_THE_CUSTOMER
    async with server.client(server.tenant.live) as staff:
        path = f"/v1/conversations/{confidences.conversation}"
        subject = (await get(staff, f"{path}/messages"))["data"][0]["contact_id"]
        await get(staff, f"{path}/events")
    assert thief.carved(subject) != set()

    receipt = await erased(server, canaries["customer"], reason="asked for")

    assert receipt["subject"] == subject
    assert readable(folder, canaries) == set()
    assert found_by(thief, canaries) == before - confidences.OF_THE_CUSTOMER
    assert ("live", subject) not in thief.names()
    assert thief.carved(subject) == set()
    for other in ("fellow", "requester", "user of an account"):
        await erased(server, canaries[other])
    assert found_by(thief, canaries) == set()
    async with server.client(server.tenant.live) as staff:
        shown = [
            (await staff.get(address, headers=accept)).content
            for address in (path, f"{path}/messages", f"{path}/events", f"{path}/participants")
            for accept in ({}, {"Accept": "application/json"})
            if not address.endswith("events") or accept
        ]
    assert [canaries.in_bytes(answer) for answer in shown] == [set()] * len(shown)


async def said(server: Server) -> dict[str, Any]:
    """Let a customer, another one and an agent write; return the customer's first message."""
    async with server.client(await server.ephemeral("usr_45")) as customer:
        first = await post(customer, "my secret")
        await change(customer, f"{MESSAGES}/{first['id']}", text="my other secret")
        await post(customer, "withdrawn")
        answer = await customer.post(f"{CONVERSATION}/read", json={"version": 2})
        assert answer.status_code == 200
    async with server.client(server.tenant.live) as staff:
        await post(staff, "an answer", author=AGENT)
        await change(staff, CONVERSATION, priority="high", tags=["vip"], assignee=AGENT)
        await staff.post(f"{CONVERSATION}/participants", json=FELLOW)
    async with server.client(await server.ephemeral("usr_9")) as fellow:
        await post(fellow, "the fellow's", parent_id=first["id"])
    return first


async def doors(server: Server, first: dict[str, Any]) -> dict[str, Any]:
    """Return what every door that reads says of the conversation, for staff and for the fellow."""
    found: dict[str, Any] = {}
    for who, key in (("staff", server.tenant.live), ("fellow", await server.ephemeral("usr_9"))):
        async with server.client(key) as client:
            path = f"{MESSAGES}/{first['id']}"
            for address in (CONVERSATION, MESSAGES, EVENTS, path, f"{path}/history"):
                found[f"{who} {address}"] = await get(client, address)
            found[f"{who} participants"] = await get(client, f"{CONVERSATION}/participants")
            found[f"{who} marks"] = await get(client, f"{CONVERSATION}/read")
            number = len(found[f"{who} {EVENTS}"]["data"])
            for name, accept in (("ndjson", NDJSON), ("sse", SSE)):
                async with following(client, EVENTS, accept, after="0") as events:
                    found[f"{who} {name}"] = await events.take(number)
        async with talking(server.realtime_url, key) as talk:
            await talk.asked("subscribe", conversation="conv_123", after=0)
            frames = [await talk.hear() for _ in range(number)]
            found[f"{who} realtime"] = [frame["event"] for frame in frames]
    return found


def bones(event: dict[str, Any]) -> dict[str, Any]:
    """Return what an erasure leaves of an event."""
    kept = ("type", "id", "time", "conversation", "version", "previous", "cursor", "schema")
    return {name: event[name] for name in kept}


async def test_every_door_shows_tombstones_in_the_places_that_were(server: Server) -> None:
    first = await said(server)
    async with (
        talking(server.realtime_url, server.tenant.live) as staying,
        talking(server.realtime_url, await server.ephemeral("usr_9")) as fellow,
    ):
        for talk in (staying, fellow):  # so that what others have resumed with is kept for them
            await talk.asked("subscribe", conversation="conv_123")
        before = await doors(server, first)
        await erased(server, "usr_45")
        after = await doors(server, first)
    for who in ("staff", "fellow"):
        was, now = before[f"{who} {EVENTS}"]["data"], after[f"{who} {EVENTS}"]["data"]
        assert [bones(event) for event in now] == [bones(event) for event in was]
        for door in ("ndjson", "sse", "realtime"):
            assert after[f"{who} {door}"] == now
        gone = [event for event in now if event["data"].get("redacted")]
        assert {event["type"] for event in gone} >= {
            *("conversation.created", "message.created", "message.updated"),
        }
        texts = [message["text"] for message in after[f"{who} {MESSAGES}"]["data"]]
        assert texts == ["", "", "", "the fellow's"]
        message = after[f"{who} {MESSAGES}/{first['id']}"]
        assert (message["text"], message["redacted"], message["author"]) == ("", True, NOBODY)
        assert message["metadata"] == {}
        assert (message["id"], message["version"]) == (first["id"], first["version"])
        assert [
            one["text"] for one in after[f"{who} {MESSAGES}/{first['id']}/history"]["data"]
        ] == [*("", "")]
        conversation = after[f"{who} {CONVERSATION}"]
        assert conversation["requester"] is None
        assert conversation["participants"] == [FELLOW]
        assert conversation["version"] == before[f"{who} {CONVERSATION}"]["version"]
        assert after[f"{who} marks"]["data"] == []
    assert b"secret" not in repr(after).encode()
    assert b"usr_45" not in repr(after).encode()


async def test_what_was_in_memory_is_as_what_is_read_from_the_log(
    tmp_path: Any, server_name: Any
) -> None:
    async with serving(tmp_path / "data", server=server_name) as server:
        first, tenant = await said(server), server.tenant
        await erased(server, "usr_45")
        live = await doors(server, first)
    async with serving(tmp_path / "data", server=server_name) as again:
        assert await doors(Server(again.url, again.node, tenant), first) == live


async def test_a_message_of_an_erased_customer_can_be_changed_by_nobody(server: Server) -> None:
    first = await said(server)
    await erased(server, "usr_45")
    path = f"{MESSAGES}/{first['id']}"
    async with server.client(server.tenant.live) as staff:
        for members in ({"metadata": {"a": 1}}, {"text": "x"}):
            answer = await staff.patch(path, json=members, headers={"If-Match": "*"})
            problem(answer, 409, "conflict")
        head = (await get(staff, CONVERSATION))["version"]
        answer = await staff.delete(path)
        assert (answer.status_code, answer.json()["redacted"]) == (200, True)
        assert (await get(staff, CONVERSATION))["version"] == head, "it is redacted already"
        again = await staff.post(MESSAGES, json={"text": "later", "parent_id": first["id"]})
        assert again.status_code == 201
    async with server.client(await server.ephemeral("usr_45")) as customer:
        for answer in (await customer.delete(path), await customer.get(path)):
            problem(answer, 404, "not_found")
    async with server.client(await server.ephemeral("usr_9")) as fellow:
        answer = await fellow.patch(path, json={"text": "x"}, headers={"If-Match": "*"})
        problem(answer, 403, "author_mismatch")


async def test_staff_goes_on_in_the_conversation_of_an_erased_customer(server: Server) -> None:
    await said(server)
    await erased(server, "usr_45")
    async with server.client(server.tenant.live) as staff:
        await post(staff, "to the fellow", author=AGENT)
        changed = await change(staff, CONVERSATION, status="closed", priority="low", tags=["new"])
        assert (changed["status"], changed["priority"], changed["tags"]) == (
            *("closed", "low"),
            ["new"],
        )
    async with server.client(await server.ephemeral("usr_9")) as fellow:
        await post(fellow, "open again")
        assert (await get(fellow, CONVERSATION))["status"] == "open"


async def test_a_receipt_can_be_asked_for_again_and_says_the_same(server: Server) -> None:
    await said(server)
    receipt = await erased(server, "usr_45", reason="asked for by the customer")
    assert set(receipt) == {
        *("id", "environment", "subject", "reason", "erased_at", "position", "number", "mac"),
    }
    assert (receipt["id"][:4], receipt["environment"], receipt["number"]) == ("era_", "live", 1)
    assert (receipt["reason"], len(receipt["mac"])) == ("asked for by the customer", 64)
    async with server.client(server.tenant.admin) as admin:
        assert await get(admin, f"{ERASURES}/{receipt['id']}") == receipt
        absent = receipt["id"][:-1] + ("0" if receipt["id"][-1] != "0" else "1")
        problem(await admin.get(f"{ERASURES}/{absent}"), 404, "not_found")
    other = await server.new_tenant()
    async with server.client(other.admin) as stranger:
        problem(await stranger.get(f"{ERASURES}/{receipt['id']}"), 404, "not_found")
    async with server.client(server.tenant.live) as staff:
        position = {"since": receipt["position"]}
        await post(staff, "behind it")
        async with following(staff, FEED, NDJSON, **position) as events:
            assert (await events.take(1))[0]["data"]["text"] == "behind it"


async def test_an_erasure_that_is_repeated_has_one_effect(server: Server) -> None:
    await said(server)
    first = await erased(server, "usr_45", idempotency_key="once")
    answers = [
        await ask_to_erase(server, "usr_45", idempotency_key="once"),
        await ask_to_erase(server, "usr_45", idempotency_key="another"),
        await ask_to_erase(server, "usr_45"),
        await ask_to_erase(server, first["subject"]),
    ]
    assert [(answer.status_code, answer.json()) for answer in answers] == [(201, first)] * 4
    assert {answer.headers["Idempotent-Replayed"] for answer in answers} == {"true"}
    mismatched = await ask_to_erase(server, "usr_9", idempotency_key="once")
    problem(mismatched, 422, "idempotency_mismatch")
    assert len(await told(server)) == 1


async def told(server: Server) -> list[dict[str, Any]]:
    """Return every ``subject.erased`` that staff can read."""
    async with server.client(server.tenant.live) as staff:
        await post(staff, "the last word", conversation="conv_end")
        query = {"since": "now-1h", "types": "subject.erased,message.created"}
        found = []
        async with following(staff, FEED, NDJSON, **query) as events:
            while (event := (await events.take(1))[0])["data"].get("text") != "the last word":
                found.append(event)
    return [event for event in found if event["type"] == "subject.erased"]


async def test_who_comes_back_is_a_new_person(server: Server) -> None:
    first = await said(server)
    once = await erased(server, "usr_45")
    async with server.client(await server.ephemeral("usr_45")) as customer:
        problem(await customer.get(CONVERSATION), 404, "not_found")
        new = await post(customer, "a new life", conversation="conv_new")
        assert new["contact_id"] == once["subject"], "the id of an id is always the same"
    async with server.client(server.tenant.live) as staff:
        assert (await get(staff, f"{MESSAGES}/{first['id']}"))["text"] == ""
        path = f"/v1/conversations/conv_new/messages/{new['id']}"
        assert (await get(staff, path))["text"] == "a new life"
        twice = await erased(server, "usr_45")
        assert (twice["subject"], twice["id"] != once["id"]) == (once["subject"], True)
        assert (await get(staff, path))["text"] == ""


async def test_nobody_owns_who_was_erased(server: Server) -> None:
    async with (
        server.client(await server.ephemeral("acct_first")) as first,
        server.client(await server.ephemeral("acct_other")) as other,
    ):
        await post(first, "ours", author=USER)
        path = "/v1/conversations/conv_other/messages"
        refused = await other.post(path, json={"text": "mine", "author": USER})
        problem(refused, 403, "author_mismatch")
        await erased(server, "usr_45")
        problem(await first.get(CONVERSATION), 404, "not_found")
        await post(other, "mine", conversation="conv_other", author=USER)
        body = {"text": "ours again", "author": USER}
        refused = await first.post("/v1/conversations/conv_first/messages", json=body)
        problem(refused, 403, "author_mismatch")


async def test_staff_hears_of_an_erasure_and_customers_never_do(server: Server) -> None:
    await said(server)
    staff_key, fellow_key = server.tenant.live, await server.ephemeral("usr_9")
    customer_key = await server.ephemeral("usr_45")
    async with (
        talking(server.realtime_url, staff_key) as staff,
        talking(server.realtime_url, fellow_key) as fellow,
        talking(server.realtime_url, customer_key) as customer,
    ):
        await staff.asked("subscribe", events=["*"])
        await fellow.asked("subscribe", conversation="conv_123")
        await customer.asked("subscribe", conversation="conv_123")
        receipt = await erased(server, "usr_45")
        heard = (await staff.hear())["event"]
        assert (heard["type"], heard["conversation"]) == ("subject.erased", None)
        assert heard["data"] == {
            "id": receipt["id"],
            "subject": receipt["subject"],
            "number": receipt["number"],
        }
        assert (heard["cursor"], heard["actor"]) == (receipt["position"], "system")
        assert (await customer.hear())["op"] == "bye"
        async with server.client(staff_key) as client:
            await post(client, "to the fellow", author=AGENT)
        assert (await fellow.hear())["event"]["data"]["text"] == "to the fellow"
    async with talking(server.realtime_url, customer_key) as customer:
        refused = await customer.refused("subscribe", conversation="conv_123")
        assert refused["code"] == "not_found"


@pytest.mark.parametrize("name", ["live", "test"])
async def test_no_other_key_erases_anybody(server: Server, name: str) -> None:
    await said(server)
    for key in (getattr(server.tenant, name), await server.ephemeral("usr_45")):
        refused = await ask_to_erase(server, "usr_45", key=key)
        problem(refused, 403, "missing_scope")
    problem(await ask_to_erase(server, "usr_nobody"), 404, "not_found")
    problem(await ask_to_erase(server, "usr_45", environment="test"), 404, "not_found")
    problem(await ask_to_erase(server, "usr_45", environment="workspace"), 422, "out_of_range")
    problem(await ask_to_erase(server, "usr_45", reason="x\ny"), 422, "forbidden_character")
    problem(await ask_to_erase(server, "usr_45", reason="x" * 201), 422, "out_of_range")
    assert await told(server) == []


async def test_a_repeated_message_of_an_erased_customer_is_answered_as_a_tombstone(
    server: Server,
) -> None:
    body = {"text": "once", "idempotency_key": "k", "author": USER}
    async with server.client(server.tenant.live) as staff:
        first = (await staff.post(MESSAGES, json=body)).json()
        await erased(server, "usr_45")
        again: httpx2.Response = await staff.post(MESSAGES, json=body)
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (201, "true")
    assert (again.json()["id"], again.json()["text"]) == (first["id"], "")
