"""What one has seen, said as ``If-Match``, ``expected_version`` or a parent: true or forged."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest

from engine.conversation.conflicts import CONFLICTS
from tests.support.answers import Refusals, fault_of, problem
from tests.support.realtime import talking
from tests.support.servers import Server
from tests.support.talk import (
    AGENT,
    CONVERSATION,
    EVENTS,
    MESSAGES,
    PARTICIPANTS,
    USER,
    change,
    get,
    note,
    position,
    post,
)

CONVERSATIONS = "/v1/conversations"
BOT = {"type": "bot", "id": "bot_triage"}
GUEST = {"type": "user", "id": "usr_9"}


ASKED: dict[str, tuple[str, str, dict[str, Any]]] = {
    "message": ("POST", "/messages", {"text": "Hello"}),
    "status": ("PATCH", "", {"status": "closed"}),
    "assignee": ("PATCH", "", {"assignee": AGENT}),
    "priority": ("PATCH", "", {"priority": "high"}),
    "channel": ("PATCH", "", {"channel": "sms"}),
    "tags": ("PATCH", "", {"tags": ["b"]}),
    "attributes": ("PATCH", "", {"attributes": {"b": 1}}),
    "participants": ("POST", "/participants", GUEST),
}


def patching(**members: Any) -> Callable[[httpx2.AsyncClient, str], Awaitable[Any]]:
    return lambda client, path: change(client, path, **members)


async def write(client: httpx2.AsyncClient, path: str) -> None:
    await post(client, conversation=path.rpartition("/")[2])


async def invite(client: httpx2.AsyncClient, path: str) -> None:
    answer = await client.post(path + "/participants", json={"type": "user", "id": "usr_8"})
    assert answer.status_code == 200


TOUCHED: dict[str, Callable[[httpx2.AsyncClient, str], Awaitable[Any]]] = {
    "messages": write,
    "status": patching(status="closed"),
    "assignee": patching(assignee=BOT),
    "priority": patching(priority="urgent"),
    "channel": patching(channel="chat"),
    "tags": patching(tags=["a"]),
    "attributes": patching(attributes={"a": 1}),
    "participants": invite,
}


CONFLICTING: dict[str, set[str]] = {
    "message": set(TOUCHED),
    "status": {"status", "messages"},
    "assignee": {"assignee", "status"},
    "priority": {"priority"},
    "channel": {"channel"},
    "tags": {"tags"},
    "attributes": {"attributes"},
    "participants": {"participants"},
}
"""What is asked → what must not have been touched since the expected version."""


def test_the_conflicts_tried_are_all_there_are() -> None:
    assert ASKED.keys() == CONFLICTING.keys() == CONFLICTS.keys()


@pytest.mark.requirement("S49", "F4", "G4", "B33")
@pytest.mark.parametrize("asked", ASKED)
async def test_an_expected_version_fails_at_what_bears_on_it_and_if_match_at_anything(
    server: Server, asked: str
) -> None:
    method, below, body = ASKED[asked]
    async with server.client(server.tenant.live) as client:
        for topic, touch in TOUCHED.items():
            path = f"{CONVERSATIONS}/conv_{asked}_{topic}"
            tag = f'"{(await post(client, conversation=path.rpartition("/")[2]))["epoch"]}.2"'
            await touch(client, path)
            answer = await client.request(
                method, path + below, json=body, headers={"If-Match": tag}
            )
            document = problem(answer, 412, "version_conflict")
            events = (await get(client, path + "/events", after="2"))["data"]
            assert (document["missed"], document["current_version"]) == (events, 3)
            loose = body | {"expected_version": 2}
            answer = await client.request(method, path + below, json=loose)
            if topic in CONFLICTING[asked]:
                document = problem(answer, 412, "version_conflict")
                assert (document["missed"], document["current_version"]) == (events, 3), topic
            else:
                assert answer.status_code == 200, (topic, answer.text)
            current = {"If-Match": (await client.get(path)).headers["ETag"]}
            answer = await client.request(method, path + below, json=body, headers=current)
            assert answer.is_success, (topic, answer.text)


STALE: Refusals = {(412, "version_conflict")}
NO_POSITION: Refusals = {(422, "bad_position")}
OUT_OF_RANGE: Refusals = {(422, "out_of_range")}
FORGED: Refusals = {(400, "bad_cursor")}
HEAD = 2
"""The version of the conversation, and of its message, that the tokens are tried on."""


def bad_tags(message: dict[str, Any]) -> dict[str, tuple[str, Refusals]]:
    """Return what an If-Match may not say, and how it is refused."""
    epoch, cursor = message["epoch"], message["cursor"]
    return {
        "another epoch": (f'"aaaaaaaa.{HEAD}"', STALE),
        "another epoch, bare": (f"aaaaaaaa.{HEAD}", STALE),
        "the version to come": (f'"{epoch}.{HEAD + 1}"', STALE),
        "the version to come, bare": (str(HEAD + 1), STALE),
        "a version far ahead": ("9" * 15, STALE),
        "an older version": (f'"{epoch}.{HEAD - 1}"', STALE),
        "zero": ('"0"', STALE),
        "more digits than a version has": ("9" * 16, NO_POSITION),
        "digits without an end": ("9" * 5_000, NO_POSITION),
        "a negative version": (f'"{epoch}.-{HEAD}"', NO_POSITION),
        "a negative number": (f"-{HEAD}", NO_POSITION),
        "a fraction": (f"{HEAD}.0", NO_POSITION),
        "an exponent": ("2e0", NO_POSITION),
        "other digits": ("\u0662".encode().decode("latin-1"), NO_POSITION),
        "a text": ('"latest"', NO_POSITION),
        "nothing": ("", NO_POSITION),
        "an empty tag": ('""', NO_POSITION),
        "an epoch alone": (f'"{epoch}"', NO_POSITION),
        "an epoch in capitals": (f'"{epoch.upper()}.{HEAD}"', NO_POSITION),
        "a weak tag": (f'W/"{epoch}.{HEAD}"', NO_POSITION),
        "a list of tags": (f'"{epoch}.1", "{epoch}.{HEAD}"', NO_POSITION),
        "a star in quotes": ('"*"', NO_POSITION),
        "a cursor": (cursor, OUT_OF_RANGE),
        "a cursor in quotes": (f'"{cursor}"', NO_POSITION),
        "a forged cursor": (cursor[:-2] + ("AA" if cursor[-2:] != "AA" else "BB"), FORGED),
        "a cursor cut short": (cursor[:-3], FORGED),
        "an event id": (message["event_id"], OUT_OF_RANGE),
        "a message id": (message["id"], NO_POSITION),
        "a time": ("2026-01-18T12:00:00Z", OUT_OF_RANGE),
        "now": ("now", OUT_OF_RANGE),
        "a duration": ("now-1m", OUT_OF_RANGE),
        "an object": ('{"version":2}', NO_POSITION),
    }


def guarded(message: dict[str, Any]) -> dict[str, tuple[str, str, dict[str, Any] | None]]:
    """Return what may carry an If-Match; each would be carried out without one."""
    path = f"{MESSAGES}/{message['id']}"
    return {
        "post": ("POST", MESSAGES, {"text": "Hello"}),
        "change": ("PATCH", CONVERSATION, {"status": "closed"}),
        "edit": ("PATCH", path, {"text": "other"}),
        "redact": ("DELETE", path, None),
        "add": ("POST", PARTICIPANTS, GUEST),
        "remove": ("DELETE", PARTICIPANTS + "/agent/agt_1", None),
    }


@pytest.mark.requirement("B35")
@pytest.mark.parametrize("name", guarded({"id": ""}))
async def test_a_tag_that_is_not_that_of_the_present_is_refused_in_words(
    server: Server, name: str
) -> None:
    async with server.client(server.tenant.live) as client:
        message = await post(client, author=AGENT)
        method, path, body = guarded(message)[name]
        faults = {}
        for what, (tag, refusals) in bad_tags(message).items():
            headers = [(b"If-Match", tag.encode("latin-1"))]
            answer = await client.request(method, path, json=body, headers=headers)
            fault = fault_of(answer, refusals)
            if fault is not None:
                faults[what] = fault
        assert faults == {}
        assert await position(server) == HEAD
        head = {"If-Match": f'"{message["epoch"]}.{HEAD}"'}
        answer = await client.request(method, path, json=body, headers=head)
        assert answer.is_success, answer.text


NUMBERS: dict[str, tuple[Any, Refusals]] = {
    "negative": (-1, OUT_OF_RANGE),
    "a fraction": (2.5, {(422, "wrong_type")}),
    "text": ("2", {(422, "wrong_type")}),
    "a tag": ('"aaaaaaaa.2"', {(422, "wrong_type")}),
    "a truth": (True, {(422, "wrong_type")}),
    "a list": ([2], {(422, "wrong_type")}),
    "beyond a double": (2**53 + 1, OUT_OF_RANGE),
    "beyond 64 bits": (2**64, OUT_OF_RANGE),
    "to come": (HEAD + 1, {(422, "bad_version")}),
    "far ahead": (2**53, {(422, "bad_version")}),
}


@pytest.mark.requirement("B35")
@pytest.mark.parametrize("name", ["post", "change", "edit", "add"])
async def test_an_expected_version_nobody_can_have_seen_is_refused_in_words(
    server: Server, name: str
) -> None:
    async with server.client(server.tenant.live) as client:
        message = await post(client, author=AGENT)
        method, path, body = guarded(message)[name]
        for what, (value, refusals) in NUMBERS.items():
            json = (body or {}) | {"expected_version": value}
            answer = await client.request(method, path, json=json)
            assert fault_of(answer, refusals) is None, (what, answer.text)
        assert await position(server) == HEAD
        json = (body or {}) | {"expected_version": HEAD}
        answer = await client.request(method, path, json=json)
        assert answer.is_success, answer.text


@pytest.mark.requirement("B35")
async def test_an_expected_version_nobody_can_have_seen_is_refused_on_a_socket(
    server: Server,
) -> None:
    url, key = server.realtime_url, server.tenant.live
    async with talking(url, key) as talk:
        await talk.post("conv_123", "Hello")
    for what, (value, refusals) in NUMBERS.items():
        async with talking(url, key) as talk:
            message = {"text": "Hello", "expected_version": value}
            refused = await talk.refused("message.create", conversation="conv_123", message=message)
        allowed = refusals if what in {"to come", "far ahead"} else {(400, "bad_frame")}
        assert (refused["status"], refused["code"]) in allowed, (what, refused)
    assert await position(server) == HEAD


async def test_a_tag_and_an_expected_version_must_both_be_right(server: Server) -> None:
    async with server.client(server.tenant.live) as client:
        epoch = (await post(client))["epoch"]
        await change(client, CONVERSATION, tags=["a"])
        right, wrong = {"If-Match": f'"{epoch}.3"'}, {"If-Match": f'"{epoch}.2"'}
        for expected, head in ((0, right), (3, wrong)):
            body = {"tags": ["b"], "expected_version": expected}
            problem(
                await client.patch(CONVERSATION, json=body, headers=head), 412, "version_conflict"
            )
        body = {"tags": ["b"], "expected_version": 3}
        assert (await client.patch(CONVERSATION, json=body, headers=right)).status_code == 200


async def parents(client: httpx2.AsyncClient) -> dict[str, str]:
    """Return ids that are no message of ``conv_123``."""
    elsewhere = await post(client, conversation="conv_124")
    here = await post(client, author=USER)
    events = (await get(client, EVENTS))["data"]
    return {
        "in another conversation": elsewhere["id"],
        "unknown": "msg_01jd1e2f3g4h5j6k7m8n9p0q1r",
        "the event of a message": here["event_id"],
        "an event that is no message": events[0]["id"],
        "a message by the id of such an event": "msg_" + events[0]["id"].removeprefix("evt_"),
        "a conversation": here["conversation_id"],
        "nothing": "",
        "no id": "x",
        "cut short": here["id"][:-1],
        "in capitals": here["id"].upper(),
        "beyond 128 bits": "msg_" + "z" * 26,
    }


@pytest.mark.requirement("B37")
async def test_a_parent_is_a_message_of_the_same_conversation(server: Server) -> None:
    async with (
        server.client(server.tenant.live) as client,
        talking(server.realtime_url, server.tenant.live) as talk,
    ):
        wrong = await parents(client)
        before = await position(server)
        for what, parent in wrong.items():
            body = {"text": "an answer", "parent_id": parent}
            answer = await client.post(MESSAGES, json=body)
            assert fault_of(answer, {(422, "bad_parent")}) is None, (what, answer.text)
            refused = await talk.refused("message.create", conversation="conv_123", message=body)
            assert (refused["code"], refused["detail"]) == ("bad_parent", answer.json()["detail"])
        body = {"text": "an answer", "parent_id": "m" * 65}
        problem(await client.post(MESSAGES, json=body), 422, "out_of_range")
        assert await position(server) == before


async def test_a_note_is_answered_by_notes_alone_and_for_customers_it_is_not_there(
    server: Server,
) -> None:
    async with (
        server.client(server.tenant.live) as staff,
        server.client(await server.ephemeral()) as customer,
    ):
        said = await post(customer, "help")
        hidden = (await note(staff))["id"]
        body = {"text": "an answer", "parent_id": hidden}
        problem(await staff.post(MESSAGES, json=body), 422, "bad_parent")
        refused = await customer.post(MESSAGES, json=body)
        absent = await customer.post(
            MESSAGES, json=body | {"parent_id": "msg_01jd1e2f3g4h5j6k7m8n9p0q1r"}
        )
        assert problem(refused, 422, "bad_parent")["detail"] == absent.json()["detail"]
        answered = await staff.post(MESSAGES, json=body | {"visibility": "note"})
        assert (answered.status_code, answered.json()["parent_id"]) == (201, hidden)
        reply = await post(staff, "an answer", parent_id=said["id"])
        assert (await get(customer, MESSAGES, thread=said["id"]))["data"] == [reply]
