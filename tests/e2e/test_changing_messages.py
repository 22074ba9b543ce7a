"""What was said can be changed by who said it and withdrawn for good; every door agrees."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from engine.limits import MESSAGE_CHANGES_MAX
from tests.support.answers import apart_from_the_request, problem
from tests.support.realtime import talking
from tests.support.servers import Server, serving
from tests.support.streams import NDJSON, SSE, following
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

FEED = "/v1/events/stream"
ALL = ("conversation:read", "conversation:write", "events:read")
ABSENT = f"{MESSAGES}/msg_01jd1e2f3g4h5j6k7m8n9p0q1r"
BOT = {"type": "bot", "id": "bot_triage"}
SECRET = "4111-1111-1111-1111"
ANYTHING = {"If-Match": "*"}


@dataclass
class Desk:
    """Staff, the customer it talks to, and another customer."""

    server: Server
    staff: httpx2.AsyncClient
    customer: httpx2.AsyncClient
    key: str
    stranger: httpx2.AsyncClient


@pytest.fixture
async def desk(server: Server) -> AsyncIterator[Desk]:
    async with desk_at(server) as found:
        yield found


@asynccontextmanager
async def desk_at(server: Server) -> AsyncIterator[Desk]:
    key = await server.ephemeral(scopes=ALL)
    async with (
        server.client(server.tenant.live) as staff,
        server.client(key) as customer,
        server.client(await server.ephemeral("acct_other")) as stranger,
    ):
        yield Desk(server, staff, customer, key, stranger)


def at(message: dict[str, Any]) -> str:
    return f"{MESSAGES}/{message['id']}"


async def edit(client: httpx2.AsyncClient, path: str, **members: Any) -> httpx2.Response:
    return await client.patch(path, json=members, headers=ANYTHING)


@pytest.mark.requirement("S48")
async def test_an_edited_message_is_the_same_message_with_other_words(desk: Desk) -> None:
    written = await post(desk.customer, "Helo", author=USER, metadata={"app": "ios"})
    await post(desk.staff, "Hi", author=AGENT)
    edited = await desk.customer.patch(at(written), json={"text": "Hello", "expected_version": 2})
    assert edited.status_code == 200, edited.text
    message = edited.json()
    assert (message["revision"], message["text"], message["editor"]) == (4, "Hello", USER)
    assert edited.headers["ETag"] == f'"{written["epoch"]}.4"'
    changed = {"text", "revision", "editor", "edited_at"}
    assert {k for k in message if message[k] != written[k]} == changed
    for client in (desk.staff, desk.customer):
        assert await get(client, at(written)) == message
        page = (await get(client, MESSAGES))["data"]
        assert [(m["text"], m["revision"]) for m in page] == [("Hello", 4), ("Hi", 3)]
        assert page[0] == message
        event = (await get(client, EVENTS, after="3"))["data"][0]
        assert (event["type"], event["data"]["text"]) == ("message.updated", "Hello")
        assert (event["data"]["message_id"], event["data"]["editor"]) == (written["id"], USER)


async def test_a_message_has_a_history_and_a_tag_of_its_own(desk: Desk) -> None:
    written = await post(desk.staff, "one", author=AGENT)
    first = await desk.staff.get(at(written))
    assert (first.headers["ETag"], first.json()) == (f'"{written["epoch"]}.2"', written)
    await post(desk.staff, "between", author=AGENT)
    known = {"If-None-Match": first.headers["ETag"]}
    assert (await desk.staff.get(at(written), headers=known)).status_code == 304
    for text in ("two", "three"):
        await change(desk.staff, at(written), text=text, author=BOT)
    assert (await desk.staff.get(at(written), headers=known)).status_code == 200
    history = await get(desk.staff, at(written) + "/history")
    assert history["next"] is None
    assert [(r["revision"], r["text"], r["editor"]) for r in history["data"]] == [
        *((2, "one", AGENT), (4, "two", BOT), (5, "three", BOT)),
    ]
    events = {event["id"]: event for event in (await get(desk.staff, EVENTS))["data"]}
    for revision in history["data"]:
        event = events[revision["event_id"]]
        assert (event["version"], event["time"]) == (revision["revision"], revision["changed_at"])


async def test_an_edit_said_again_is_answered_as_it_was_then(desk: Desk) -> None:
    written = await post(desk.staff, "one", author=AGENT)
    body = {"text": "two", "expected_version": 2, "idempotency_key": "k"}
    first = await desk.staff.patch(at(written), json=body)
    await change(desk.staff, at(written), text="three")
    again = await desk.staff.patch(at(written), json=body)
    assert (again.status_code, again.content) == (200, first.content)
    assert (await get(desk.staff, at(written)))["text"] == "three"


async def test_if_match_of_a_message_is_its_own_version(desk: Desk) -> None:
    written = await post(desk.staff, "one", author=AGENT)
    await post(desk.staff, "between", author=AGENT)
    tag = {"If-Match": (await desk.staff.get(at(written))).headers["ETag"]}
    answer = await desk.staff.patch(at(written), json={"text": "two"}, headers=tag)
    assert answer.status_code == 200, answer.text
    for stale, current in ((tag, 4), ({"If-Match": '"3"'}, 4), ({"If-Match": '"5"'}, 4)):
        for method in ("PATCH", "DELETE"):
            json = {"text": "three"} if method == "PATCH" else None
            refused = await desk.staff.request(method, at(written), json=json, headers=stale)
            document = problem(refused, 412, "version_conflict")
            assert (document["current_version"], document["current_revision"]) == (4, current)
    await post(desk.staff, "and on", author=AGENT)
    refused = await desk.staff.patch(at(written), json={"text": "x", "expected_version": 3})
    document = problem(refused, 412, "version_conflict")
    assert document["missed"] == (await get(desk.staff, EVENTS, after="3"))["data"]
    assert document["current_version"] == 5
    assert document["current_revision"] == 4
    await desk.staff.patch(at(written), json={"text": "x", "expected_version": 4})
    assert (await get(desk.staff, at(written)))["text"] == "x"


async def test_only_its_author_rewrites_a_message(desk: Desk) -> None:
    theirs = await post(desk.customer, "mine", author=USER)
    ours = await post(desk.staff, "ours", author=AGENT)
    guest = {"type": "user", "id": "acct_other"}
    await desk.staff.post(CONVERSATION + "/participants", json=guest)
    before = await position(desk.server)
    for client, message in (
        (desk.staff, theirs),
        (desk.customer, ours),
        (desk.stranger, theirs),
        (desk.stranger, ours),
    ):
        problem(await edit(client, at(message), text="other"), 403, "author_mismatch")
    for client, message in ((desk.customer, ours), (desk.stranger, theirs)):
        problem(await client.delete(at(message)), 403, "author_mismatch")
    for wanted in (AGENT, {"type": "user", "id": "acct_other"}):
        refused = await edit(desk.customer, at(theirs), text="other", author=wanted)
        problem(refused, 403, "author_mismatch")
    problem(await edit(desk.customer, at(theirs), metadata={"a": 1}), 403, "forbidden")
    assert await position(desk.server) == before


async def test_nobody_signs_an_edit_as_a_customer_of_another_account(desk: Desk) -> None:
    foreign = {"type": "user", "id": "usr_of_the_other"}
    await post(desk.stranger, "mine", author=foreign, conversation="conv_theirs")
    written = await post(desk.customer, "one", author=USER)
    problem(
        await edit(desk.customer, at(written), text="b", author=foreign), 403, "author_mismatch"
    )
    assert (await get(desk.staff, at(written)))["text"] == "one"


@pytest.mark.requirement("S108")
async def test_what_staff_notes_with_a_message_is_hidden_from_customers(desk: Desk) -> None:
    written = await post(desk.customer, "help", author=USER, metadata={"app": "ios"})
    before = [await desk.customer.get(p) for p in (at(written), CONVERSATION, MESSAGES)]
    history = await get(desk.customer, at(written) + "/history")
    noted = await change(desk.staff, at(written), metadata={"mood": "angry"})
    assert (noted["metadata"], noted["revision"]) == ({"mood": "angry"}, 3)
    assert noted["text"] == "help"
    for answer in before:
        again = await desk.customer.get(answer.request.url)
        assert (again.content, again.headers["ETag"]) == (answer.content, answer.headers["ETag"])
    assert len((await get(desk.customer, EVENTS))["data"]) == 2
    assert await get(desk.customer, at(written) + "/history") == history
    tag = {"If-Match": before[0].headers["ETag"]}
    edited = await desk.customer.patch(at(written), json={"text": "help!"}, headers=tag)
    assert edited.status_code == 200, edited.text
    assert (edited.json()["metadata"], edited.json()["revision"]) == ({"app": "ios"}, 4)
    assert (await get(desk.staff, at(written)))["metadata"] == {"mood": "angry"}
    (event,) = (await get(desk.customer, EVENTS, after="2"))["data"]
    assert (event["previous"], event["data"]["metadata"]) == (2, None)
    both = await change(desk.staff, at(await post(desk.staff, "a", author=AGENT)), text="b")
    await change(desk.staff, at(both), text="c", metadata={"mood": "calm"})
    for path in (at(both), at(both) + "/history", MESSAGES, EVENTS):
        answer = await desk.customer.get(path, headers={"Accept": "application/json"})
        assert ("calm" in answer.text, both["id"] in answer.text + path) == (False, True), path


async def test_the_changes_of_a_note_are_hidden_like_the_note(desk: Desk) -> None:
    await post(desk.customer, "help", author=USER)
    hidden = await note(desk.staff)
    tags = [(await desk.customer.get(p)).headers["ETag"] for p in (CONVERSATION, MESSAGES)]
    await change(desk.staff, at(hidden), text="still between us")
    await change(desk.staff, at(hidden), metadata={"a": 1})
    assert (await get(desk.staff, at(hidden)))["text"] == "still between us"
    for method, json in (("GET", None), ("PATCH", {"text": "a"}), ("DELETE", None)):
        expected = await desk.customer.request(method, ABSENT, json=json, headers=ANYTHING)
        problem(expected, 404, "not_found")
        answer = await desk.customer.request(method, at(hidden), json=json, headers=ANYTHING)
        assert apart_from_the_request(answer) == apart_from_the_request(expected)
    assert (await desk.staff.delete(at(hidden))).status_code == 200
    after = [(await desk.customer.get(p)).headers["ETag"] for p in (CONVERSATION, MESSAGES)]
    assert after == tags
    assert len((await get(desk.customer, EVENTS))["data"]) == 2


async def test_a_note_is_no_message_whatever_a_customer_asks_of_it(desk: Desk) -> None:
    await post(desk.customer, "help", author=USER)
    hidden = at(await note(desk.staff))
    for members in (
        {"text": "a", "author": AGENT},
        {"text": "a", "author": {"type": "user", "id": "acct_other"}},
        {"metadata": {"a": 1}},
        {"text": "a", "expected_version": 3},
        {"text": "a", "expected_version": 2},
    ):
        expected = await desk.customer.patch(ABSENT, json=members, headers=ANYTHING)
        answer = await desk.customer.patch(hidden, json=members, headers=ANYTHING)
        assert apart_from_the_request(answer) == apart_from_the_request(expected), members
    for tag in ('"3"', '"2"', '"zzzzzzzz.3"'):
        head = {"If-Match": tag}
        expected = await desk.customer.delete(ABSENT, headers=head)
        answer = await desk.customer.delete(hidden, headers=head)
        assert apart_from_the_request(answer) == apart_from_the_request(expected), tag


async def test_a_note_is_no_message_for_a_user_without_account(desk: Desk) -> None:
    async with desk.server.client(await desk.server.ephemeral("usr_45")) as user:
        await post(user, "help")
        answers = [await user.delete(path) for path in (at(await note(desk.staff)), ABSENT)]
    assert len({answer.json()["detail"] for answer in answers}) == 1


async def test_a_message_of_a_hidden_conversation_is_like_one_of_none(desk: Desk) -> None:
    written = at(await post(desk.customer, "help", author=USER))
    elsewhere = await post(desk.stranger, "other", conversation="conv_other")
    crossed = f"/v1/conversations/conv_other/messages/{elsewhere['id']}"
    assert (await desk.stranger.get(crossed)).status_code == 200
    for method, below in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/history")):
        json = {"text": "a"} if method == "PATCH" else None
        absent = ABSENT.replace("conv_123", "conv_absent") + below
        expected = await desk.stranger.request(method, absent, json=json, headers=ANYTHING)
        problem(expected, 404, "not_found")
        for path in (written + below, ABSENT + below):
            answer = await desk.stranger.request(method, path, json=json, headers=ANYTHING)
            assert apart_from_the_request(answer) == apart_from_the_request(expected)
        here = await desk.staff.request(method, ABSENT + below, json=json, headers=ANYTHING)
        for name in (elsewhere["id"], elsewhere["event_id"], "x", "msg_", "msg_" + "0" * 26):
            path = f"{MESSAGES}/{name}{below}"
            answer = await desk.staff.request(method, path, json=json, headers=ANYTHING)
            assert apart_from_the_request(answer) == apart_from_the_request(here), name


async def test_a_message_is_changed_a_hundred_times_and_then_withdrawn(desk: Desk) -> None:
    written = await post(desk.staff, "0", author=AGENT)
    for number in range(1, MESSAGE_CHANGES_MAX + 1):
        await change(desk.staff, at(written), text=str(number))
    problem(await edit(desk.staff, at(written), text="once more"), 409, "conflict")
    assert (await get(desk.staff, at(written)))["text"] == str(MESSAGE_CHANGES_MAX)
    history = (await get(desk.staff, at(written) + "/history"))["data"]
    assert [r["text"] for r in history] == [str(n) for n in range(MESSAGE_CHANGES_MAX + 1)]
    assert (await desk.staff.delete(at(written))).status_code == 200


async def everything_at_every_door(desk: Desk, key: str, path: str, number: int) -> dict[str, str]:
    """Return what ``key`` reads of ``conv_123`` at each door; it sees ``number`` events there."""
    server, found = desk.server, {}
    async with server.client(key) as client, talking(server.realtime_url, key) as talk:
        for name in (path, path + "/history", MESSAGES, EVENTS):
            found[name] = (await client.get(name, headers={"Accept": "application/json"})).text
        for accept in (SSE, NDJSON):
            async with following(client, EVENTS, accept, after="0") as stream:
                found[f"events {accept}"] = repr(await stream.raw(number))
            query = {"since": "now-1h", "conversation": "conv_123"}
            async with following(client, FEED, accept, **query) as stream:
                found[f"feed {accept}"] = repr(await stream.raw(number))
        stale = {"text": "x", "expected_version": 0}
        found["missed"] = (await client.post(MESSAGES, json=stale)).text
        found["missed of a message"] = (
            await client.request("DELETE", path, headers={"If-Match": '"0"'})
        ).text
        await talk.asked("subscribe", conversation="conv_123", after=0)
        found["socket"] = repr([event.raw for event in await talk.events(number)])
        problem_ = await talk.refused("message.create", conversation="conv_123", message=stale)
        found["missed on a socket"] = repr(problem_)
    if key == server.tenant.live:
        async with server.client(key) as client, following(client, FEED, since="now-1h") as all_:
            found["the whole feed"] = repr(await all_.raw(number))
        async with talking(server.realtime_url, key) as talk:
            await talk.asked("subscribe", events=["*"], after="now-1h")
            found["the whole feed on a socket"] = repr([e.raw for e in await talk.events(number)])
    return found


async def test_what_was_withdrawn_is_at_no_door(tmp_path: Path) -> None:
    path, tenant_key = "", ""
    for life in ("first", "second"):
        async with serving(tmp_path) as server:
            tenant_key = tenant_key or server.tenant.live
            if life == "first":
                async with desk_at(server) as desk:
                    path = await withdraw(desk)
            else:
                async with server.client(tenant_key) as staff:
                    for name in (path, path + "/history", MESSAGES, EVENTS):
                        json = {"Accept": "application/json"}
                        answer = await staff.get(name, headers=json)
                        assert answer.status_code == 200
                        assert SECRET not in answer.text, name
                    assert (await get(staff, path))["redacted"] is True


async def withdraw(desk: Desk) -> str:
    """Write, edit and withdraw, and look for the words at every door; return the message."""
    body = {
        "text": f"my card is {SECRET}",
        "author": USER,
        "metadata": {"card": SECRET},
        "idempotency_key": "the card",
    }
    written = (await desk.customer.post(MESSAGES, json=body)).json()
    path = at(written)
    rewritten = {"text": f"my card is {SECRET}\u202e!", "idempotency_key": "the edit"}
    await desk.customer.patch(path, json=rewritten, headers=ANYTHING)
    await change(desk.staff, path, metadata={"card": SECRET})
    live = desk.server.tenant.live
    seen = await everything_at_every_door(desk, live, path, 4)
    assert [name for name, text in seen.items() if SECRET not in text] == []
    redacted = await desk.staff.delete(path)
    assert (redacted.status_code, redacted.json()["text"]) == (200, "")
    message = redacted.json()
    assert (message["redacted"], message["metadata"], message["revision"]) == (True, {}, 5)
    assert "flags" not in message
    for key, number in ((live, 5), (desk.key, 4)):
        seen = await everything_at_every_door(desk, key, path, number)
        assert [name for name, text in seen.items() if SECRET in text] == []
        assert [name for name, text in seen.items() if written["id"] not in text] == [
            name for name in seen if name == path + "/history"
        ]
    for again in (
        await desk.customer.post(MESSAGES, json=body),
        await desk.customer.patch(path, json=rewritten, headers=ANYTHING),
    ):
        assert again.headers["Idempotent-Replayed"] == "true"
        assert SECRET not in again.text
        assert again.json()["redacted"] is True
    return path


async def test_a_withdrawn_message_stays_withdrawn(desk: Desk) -> None:
    written = await post(desk.customer, "one", author=USER)
    first = await desk.customer.delete(at(written))
    assert (first.status_code, first.json()["editor"]) == (200, USER)
    before = await position(desk.server)
    for client in (desk.customer, desk.staff):
        assert (await client.delete(at(written))).json() == first.json()
    problem(await edit(desk.customer, at(written), text="two"), 409, "conflict")
    problem(await edit(desk.staff, at(written), metadata={"a": 1}), 409, "conflict")
    assert await position(desk.server) == before
    (event,) = (await get(desk.staff, EVENTS, after="2"))["data"]
    assert (event["type"], event["data"]["message_id"]) == ("message.redacted", written["id"])
    reply = await post(desk.staff, "an answer", author=AGENT, parent_id=written["id"])
    assert (await get(desk.staff, MESSAGES, thread=written["id"]))["data"] == [reply]


async def test_a_restart_keeps_what_was_changed(tmp_path: Path) -> None:
    key, path, texts = "", "", []
    for text in ("first life", "second life"):
        async with serving(tmp_path) as server:
            key = key or server.tenant.live
            async with server.client(key) as client:
                path = path or at(await post(client, "as written", author=AGENT))
                await change(client, path, text=text)
                page = (await get(client, MESSAGES))["data"]
                assert [message["text"] for message in page] == [text]
                history = (await get(client, path + "/history"))["data"]
                texts.append([revision["text"] for revision in history])
                stale = await client.patch(path, json={"text": "x", "expected_version": 2})
                problem(stale, 412, "version_conflict")
    assert texts[1] == ["as written", "first life", "second life"]
