"""What staff sorts a conversation by: set, seen, in the log, and hidden from customers."""

from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.answers import apart_from_the_request, problem
from tests.support.servers import Server, serving
from tests.support.talk import (
    AGENT,
    CONVERSATION,
    EVENTS,
    MESSAGES,
    USER,
    change,
    get,
    note,
    position,
    post,
)

CONVERSATIONS = "/v1/conversations"
KEYED = {"Idempotency-Key": "k-1"}
BOT = {"type": "bot", "id": "bot_triage"}
GUEST = {"type": "user", "id": "usr_9"}


def told(event: dict[str, Any]) -> dict[str, Any]:
    """Return what an event says besides which conversation it is of."""
    return {k: v for k, v in event["data"].items() if k not in {"id", "external_id"}}


async def since(client: httpx2.AsyncClient, version: int) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = (await get(client, EVENTS, after=str(version)))["data"]
    return events


def updated(**changes: tuple[Any, Any]) -> tuple[str, dict[str, Any]]:
    """Return an event that says what was set, and what was there before."""
    new = {name: after for name, (_, after) in changes.items()}
    old = {name: before for name, (before, _) in changes.items()}
    return "conversation.updated", {"changes": new, "previous": old}


FIELDS: dict[str, tuple[tuple[Any, Any, tuple[str, dict[str, Any]]], ...]] = {
    "status": (
        ("closed", "closed", ("conversation.closed", {})),
        ("open", "open", ("conversation.reopened", {})),
    ),
    "assignee": (
        (AGENT, AGENT, ("conversation.assigned", {"assignee": AGENT, "previous": None})),
        (BOT, BOT, ("conversation.assigned", {"assignee": BOT, "previous": AGENT})),
        (None, None, ("conversation.unassigned", {"previous": BOT})),
    ),
    "priority": (("urgent", "urgent", updated(priority=("normal", "urgent"))),),
    "channel": (
        ("email", "email", updated(channel=(None, "email"))),
        (None, None, updated(channel=("email", None))),
    ),
    "tags": (
        (
            ["vip", "delay", "vip"],
            ["delay", "vip"],
            (
                "conversation.tagged",
                {"tags": ["delay", "vip"], "added": ["delay", "vip"], "removed": []},
            ),
        ),
        (
            ["delay", "refund"],
            ["delay", "refund"],
            (
                "conversation.tagged",
                {"tags": ["delay", "refund"], "added": ["refund"], "removed": ["vip"]},
            ),
        ),
    ),
    "attributes": (
        ({"plan": "pro"}, {"plan": "pro"}, updated(attributes=({"plan": None}, {"plan": "pro"}))),
        (
            {"plan": None, "seats": [3]},
            {"seats": [3]},
            updated(attributes=({"plan": "pro", "seats": None}, {"plan": None, "seats": [3]})),
        ),
    ),
}


@pytest.mark.requirement("S48")
@pytest.mark.parametrize("name", FIELDS)
async def test_a_field_is_set_by_an_event_and_nothing_is_written_when_it_is_so_already(
    server: Server, name: str
) -> None:
    async with server.client(server.tenant.live) as client:
        epoch = (await post(client))["epoch"]
        for version, (asked, seen, (kind, data)) in enumerate(FIELDS[name], start=3):
            answer = await client.patch(
                CONVERSATION, json={name: asked, "expected_version": version - 1}
            )
            assert answer.status_code == 200, answer.text
            assert (answer.json()[name], answer.json()["version"]) == (seen, version)
            assert answer.headers["ETag"] == f'"{epoch}.{version}"'
            assert (await client.get(CONVERSATION)).content == answer.content
            (event,) = await since(client, version - 1)
            assert (event["type"], told(event)) == (kind, data)
            before = await position(server)
            again = await client.patch(
                CONVERSATION, json={name: asked}, headers={"If-Match": answer.headers["ETag"]}
            )
            assert (again.status_code, again.content) == (200, answer.content)
            assert await position(server) == before


async def test_fields_set_together_are_events_in_a_row_and_the_status_is_last(
    server: Server,
) -> None:
    async with server.client(server.tenant.live) as client:
        await post(client)
        seen = await change(
            client,
            CONVERSATION,
            status="closed",
            attributes={"plan": "pro"},
            priority="low",
            channel="sms",
            tags=["vip"],
            assignee=AGENT,
        )
        assert seen["version"] == 6
        assert (seen["status"], seen["assignee"], seen["tags"]) == ("closed", AGENT, ["vip"])
        events = await since(client, 2)
        assert [event["type"].partition(".")[2] for event in events] == [
            *("assigned", "tagged", "updated", "closed")
        ]
        assert told(events[2])["changes"] == {
            "priority": "low",
            "channel": "sms",
            "attributes": {"plan": "pro"},
        }
        assert all(event["data"]["external_id"] == "conv_123" for event in events)


async def test_a_truth_is_another_attribute_than_a_number(server: Server) -> None:
    async with server.client(server.tenant.live) as client:
        await post(client)
        for value in (1, True, 1, 1.5, "1", 0, False, [1], [True]):
            seen = await change(client, CONVERSATION, attributes={"vip": value})
            assert (type(seen["attributes"]["vip"]), seen["attributes"]["vip"]) == (
                type(value),
                value,
            )
            assert str(seen["attributes"]["vip"]) == str(value)


async def test_attributes_have_a_size_one_by_one_and_together(server: Server) -> None:
    async with server.client(server.tenant.live) as client:
        await post(client)
        half = "x" * 9_000
        await change(client, CONVERSATION, attributes={"one": half})
        head = {"If-Match": "*"}
        both = {"attributes": {"two": half}}
        problem(await client.patch(CONVERSATION, json=both, headers=head), 422, "out_of_range")
        alone = {"attributes": {"two": half * 2}}
        problem(await client.patch(CONVERSATION, json=alone, headers=head), 413, "too_large")
        await change(client, CONVERSATION, attributes={"one": None, "two": half})


@pytest.mark.requirement("B34")
async def test_what_is_shared_is_not_changed_without_saying_what_was_seen(server: Server) -> None:
    async with server.client(server.tenant.live) as client:
        message = await post(client, author=AGENT)
        for path, body in (
            (CONVERSATION, {"status": "closed"}),
            (f"{MESSAGES}/{message['id']}", {"text": "other"}),
        ):
            problem(await client.patch(path, json=body), 428, "precondition_required")
            nothing = body | {"expected_version": None}
            problem(await client.patch(path, json=nothing), 428, "precondition_required")
        assert await position(server) == 2
        for path, body in (
            (CONVERSATION, {"status": "closed"}),
            (f"{MESSAGES}/{message['id']}", {"text": "other"}),
        ):
            for seen in ({"expected_version": 2}, {}):
                head = {} if seen else {"If-Match": "*"}
                answer = await client.patch(path, json=body | seen, headers=head)
                assert answer.status_code == 200, answer.text


async def test_how_staff_sorts_its_work_is_hidden_from_customers(server: Server) -> None:
    sorting = {"assignee": AGENT, "priority": "high", "tags": ["vip"], "attributes": {"a": 1}}
    async with (
        server.client(server.tenant.live) as staff,
        server.client(await server.ephemeral()) as customer,
    ):
        await post(customer, "help")
        before = await customer.get(CONVERSATION)
        assert before.json()["version"] == 2
        await change(staff, CONVERSATION, **sorting)
        after = await customer.get(CONVERSATION)
        assert (after.content, after.headers["ETag"]) == (before.content, before.headers["ETag"])
        known = {"If-None-Match": before.headers["ETag"]}
        assert (await customer.get(CONVERSATION, headers=known)).status_code == 304
        seen = after.json()
        assert (seen["assignee"], seen["priority"], seen["tags"]) == (None, None, [])
        assert (seen["attributes"], seen["channel"]) == ({}, None)
        assert len(await since(customer, 0)) == 2
        await post(customer, "still there?", expected_version=2)
        tag = (await customer.get(CONVERSATION)).headers["ETag"]
        await change(staff, CONVERSATION, status="closed", tags=[])
        stale = await customer.post(MESSAGES, json={"text": "a"}, headers={"If-Match": tag})
        missed = problem(stale, 412, "version_conflict")["missed"]
        assert [(event["type"], event["previous"]) for event in missed] == [
            ("conversation.closed", 6)
        ]
        types = {event["type"] for event in await since(customer, 0)}
        assert types == {"conversation.created", "message.created", "conversation.closed"}


async def test_customers_change_no_conversation_and_nobody_changes_a_hidden_one(
    server: Server,
) -> None:
    async with (
        server.client(server.tenant.live) as staff,
        server.client(await server.ephemeral()) as customer,
        server.client(await server.ephemeral("acct_other")) as stranger,
    ):
        await post(customer, "help")
        before = await position(server)
        absent = f"{CONVERSATIONS}/conv_absent"
        asked = [("PATCH", "", {name: steps[0][0]}) for name, steps in FIELDS.items()]
        asked += [("POST", "/participants", GUEST), ("DELETE", "/participants/user/acct_123", {})]
        head = {"If-Match": "*"}
        for method, below, body in asked:
            json = body or None
            answer = await customer.request(method, CONVERSATION + below, json=json, headers=head)
            problem(answer, 403, "forbidden")
            expected = await stranger.request(method, absent + below, json=json, headers=head)
            problem(expected, 404, "not_found")
            answer = await stranger.request(method, CONVERSATION + below, json=json, headers=head)
            assert apart_from_the_request(answer) == apart_from_the_request(expected)
            answer = await staff.request(method, absent + below, json=json, headers=head)
            assert apart_from_the_request(answer) == apart_from_the_request(expected)
        assert await position(server) == before


async def test_a_customer_opens_a_closed_conversation_by_writing_and_nobody_else_does(
    server: Server,
) -> None:
    async with (
        server.client(server.tenant.live) as staff,
        server.client(await server.ephemeral()) as customer,
    ):
        await post(customer, "help")
        await change(staff, CONVERSATION, status="closed")
        await note(staff)
        await post(staff, "was it good?", author=AGENT)
        await post(staff, "we will ask you", author=BOT)
        assert (await get(customer, CONVERSATION))["status"] == "closed"
        body = {"text": "not at all", "idempotency_key": "k-2"}
        first = await customer.post(MESSAGES, json=body)
        assert (first.status_code, first.json()["version"]) == (201, 8)
        assert (await get(customer, CONVERSATION))["status"] == "open"
        events = await since(customer, 6)
        assert [event["type"] for event in events] == ["conversation.reopened", "message.created"]
        again = await customer.post(MESSAGES, json=body)
        assert (again.content, again.headers["Idempotent-Replayed"]) == (first.content, "true")
        await post(customer, "hello?")
        assert [event["type"] for event in await since(customer, 8)] == ["message.created"]


async def test_a_conversation_is_made_before_anything_is_said_in_it(server: Server) -> None:
    body = {"external_id": "conv_900", "requester": USER, "tags": ["b", "a"], "status": "closed"}
    async with server.client(server.tenant.live) as client:
        answer = await client.post(CONVERSATIONS, json=body, headers=KEYED)
        made = answer.json()
        assert (answer.status_code, made["external_id"]) == (201, "conv_900")
        assert (made["requester"], made["participants"]) == (USER, [USER])
        assert (made["tags"], made["status"], made["version"]) == (["a", "b"], "closed", 4)
        assert answer.headers["Location"] == f"{CONVERSATIONS}/{made['id']}"
        assert await get(client, answer.headers["Location"]) == made
        events = (await get(client, f"{CONVERSATIONS}/conv_900/events"))["data"]
        assert [event["type"] for event in events] == [
            *("conversation.created", "participant.added"),
            *("conversation.tagged", "conversation.closed"),
        ]
        again = await client.post(CONVERSATIONS, json=body, headers=KEYED)
        assert (again.status_code, again.content) == (201, answer.content)
        assert again.headers["Idempotent-Replayed"] == "true"
        conflict = await client.post(CONVERSATIONS, json=body)
        assert problem(conflict, 409, "conflict")["conversation_id"] == made["id"]
        await post(client, "first", conversation="conv_900", expected_version=4)


async def test_a_conversation_without_a_name_of_its_own_is_made_once_a_key(
    server: Server,
) -> None:
    async with server.client(server.tenant.live) as client:
        first = await client.post(CONVERSATIONS, json={}, headers=KEYED)
        assert (first.status_code, first.json()["external_id"]) == (201, None)
        assert (first.json()["requester"], first.json()["version"]) == (None, 1)
        again = await client.post(CONVERSATIONS, json={}, headers=KEYED)
        assert (again.content, again.headers["Idempotent-Replayed"]) == (first.content, "true")
        others = [(await client.post(CONVERSATIONS, json={})).json()["id"] for _ in range(2)]
        assert len({first.json()["id"], *others}) == 3


async def test_an_id_of_ours_is_no_name_of_ones_own(server: Server) -> None:
    async with server.client(server.tenant.live) as client:
        made = (await client.post(CONVERSATIONS, json={})).json()["id"]
        for ours in ("conv_01jd1e2f3g4h5j6k7m8n9p0q1r", made):
            answer = await client.post(CONVERSATIONS, json={"external_id": ours})
            assert answer.status_code == 422, answer.text
        assert await position(server) == 1


async def test_a_customer_makes_conversations_of_its_own(server: Server) -> None:
    async with (
        server.client(await server.ephemeral()) as customer,
        server.client(await server.ephemeral("usr_7")) as user,
    ):
        made = await customer.post(CONVERSATIONS, json={"external_id": "conv_900"})
        subject = {"type": "user", "id": "acct_123"}
        assert (made.status_code, made.json()["requester"]) == (201, subject)
        own = await customer.post(CONVERSATIONS, json={"requester": USER})
        assert (own.status_code, own.json()["participants"]) == (201, [USER])
        agent = await customer.post(CONVERSATIONS, json={"requester": AGENT})
        problem(agent, 422, "out_of_range")
        other = {"requester": {"type": "user", "id": "acct_9"}}
        problem(await customer.post(CONVERSATIONS, json=other), 403, "author_mismatch")
        problem(await user.post(CONVERSATIONS, json={"requester": USER}), 403, "author_mismatch")
        before = await position(server)
        for name, steps in FIELDS.items():
            body = {name: steps[0][0]}
            problem(await customer.post(CONVERSATIONS, json=body), 403, "forbidden")
        assert await position(server) == before


async def test_a_key_is_remembered_even_if_all_was_so_already(server: Server) -> None:
    async with server.client(server.tenant.live) as client:
        await post(client)
        body = {"status": "open", "expected_version": 2}
        first = await client.patch(CONVERSATION, json=body, headers=KEYED)
        assert first.status_code == 200
        await change(client, CONVERSATION, status="closed")
        again = await client.patch(CONVERSATION, json=body, headers=KEYED)
        assert (again.status_code, again.content) == (200, first.content)
        assert again.headers["Idempotent-Replayed"] == "true"
        assert (await get(client, CONVERSATION))["status"] == "closed"


async def test_a_restart_keeps_what_was_changed_and_its_conflicts(tmp_path: Path) -> None:
    sorting: dict[str, Any] = {"assignee": AGENT, "priority": "high", "tags": ["vip"]}
    key = ""
    answers: list[httpx2.Response] = []
    for _ in range(2):
        async with serving(tmp_path) as server:
            key = key or server.tenant.live
            async with server.client(key) as client:
                if not answers:
                    await post(client)
                body = sorting | {"attributes": {"a": 1}, "expected_version": 2}
                answers.append(await client.patch(CONVERSATION, json=body, headers=KEYED))
                answers.append(await client.get(CONVERSATION))
                stale = await client.patch(CONVERSATION, json={"tags": [], "expected_version": 2})
                assert problem(stale, 412, "version_conflict")["current_version"] == 5
    assert answers[0].status_code == 200, answers[0].text
    assert answers[2].content == answers[0].content == answers[1].content
