"""Who takes part is let in and let go by staff, and sees the conversation just as long."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from engine.limits import PARTICIPANTS_MAX
from tests.support.answers import apart_from_the_request, fault_of, problem
from tests.support.realtime import talking
from tests.support.servers import Server, serving
from tests.support.streams import NDJSON, SSE, following
from tests.support.talk import (
    AGENT,
    CONVERSATION,
    EVENTS,
    MESSAGES,
    PARTICIPANTS,
    USER,
    get,
    note,
    position,
    post,
)

GUEST = {"type": "user", "id": "usr_9"}
BOT = {"type": "bot", "id": "bot_triage"}
JSON = {"Accept": "application/json"}
ABSENT = "/v1/conversations/conv_absent"


@dataclass
class Desk:
    """Staff, the customer it talks to, and a customer who may be let in."""

    server: Server
    staff: httpx2.AsyncClient
    customer: httpx2.AsyncClient
    guest: httpx2.AsyncClient
    guest_key: str


@pytest.fixture
async def desk(server: Server) -> AsyncIterator[Desk]:
    key = await server.ephemeral("usr_9")
    async with (
        server.client(server.tenant.live) as staff,
        server.client(await server.ephemeral("usr_45")) as customer,
        server.client(key) as guest,
    ):
        await post(customer, "help")
        yield Desk(server, staff, customer, guest, key)


def at(who: dict[str, str]) -> str:
    return f"{PARTICIPANTS}/{who['type']}/{quote(who['id'], safe='')}"


async def add(client: httpx2.AsyncClient, who: dict[str, Any]) -> dict[str, Any]:
    answer = await client.post(PARTICIPANTS, json=who)
    assert answer.status_code == 200, answer.text
    seen: dict[str, Any] = answer.json()
    return seen


async def remove(client: httpx2.AsyncClient, who: dict[str, str]) -> dict[str, Any]:
    answer = await client.delete(at(who))
    assert answer.status_code == 200, answer.text
    seen: dict[str, Any] = answer.json()
    return seen


async def who_takes_part(client: httpx2.AsyncClient) -> list[dict[str, str]]:
    found: list[dict[str, str]] = (await get(client, PARTICIPANTS))["data"]
    assert (await get(client, CONVERSATION))["participants"] == found
    return found


async def test_adding_and_removing_are_events_and_said_again_they_are_none(desk: Desk) -> None:
    seen = await add(desk.staff, GUEST)
    assert (seen["version"], seen["participants"]) == (3, [USER, GUEST])
    (added,) = (await get(desk.staff, EVENTS, after="2"))["data"]
    assert (added["type"], added["data"]["participant"]) == ("participant.added", GUEST)
    before = await position(desk.server)
    assert await add(desk.staff, GUEST) == seen
    assert await position(desk.server) == before
    gone = await remove(desk.staff, GUEST)
    assert (gone["version"], gone["participants"]) == (4, [USER])
    (removed,) = (await get(desk.staff, EVENTS, after="3"))["data"]
    assert (removed["type"], removed["data"]) == ("participant.removed", added["data"])
    before = await position(desk.server)
    words = set()
    for who in (GUEST, BOT, {"type": "nobody", "id": "usr_45"}, {"type": "agent", "id": "usr_45"}):
        words.add(problem(await desk.staff.delete(at(who)), 404, "not_found")["detail"])
    assert len(words) == 1
    assert await position(desk.server) == before


async def test_who_is_let_in_sees_everything_and_who_is_let_go_nothing(desk: Desk) -> None:
    doors = (CONVERSATION, MESSAGES, EVENTS, PARTICIPANTS)
    absent = apart_from_the_request(await desk.guest.get(ABSENT))
    for _ in range(2):
        for path in doors:
            answer = await desk.guest.get(path, headers=JSON)
            assert apart_from_the_request(answer) == absent, path
        refused = await desk.guest.post(MESSAGES, json={"text": "let me in"})
        assert apart_from_the_request(refused) == absent
        await add(desk.staff, GUEST)
        texts = [message["text"] for message in (await get(desk.guest, MESSAGES))["data"]]
        assert texts[0] == "help"
        for path in doors:
            assert (await desk.guest.get(path, headers=JSON)).status_code == 200, path
        written = await post(desk.guest, "here I am")
        assert (await desk.guest.get(f"{MESSAGES}/{written['id']}")).status_code == 200
        await remove(desk.staff, GUEST)
        for method in ("GET", "DELETE"):
            answer = await desk.guest.request(method, f"{MESSAGES}/{written['id']}")
            assert apart_from_the_request(answer) == absent
        assert (await desk.customer.get(f"{MESSAGES}/{written['id']}")).status_code == 200


async def test_who_is_let_go_hears_nothing_more_on_open_streams_and_sockets(desk: Desk) -> None:
    await add(desk.staff, GUEST)
    async with talking(desk.server.realtime_url, desk.guest_key) as talk:
        await talk.asked("subscribe", conversation="conv_123")
        async with (
            following(desk.guest, EVENTS, SSE) as sse,
            following(desk.guest, EVENTS, NDJSON) as ndjson,
        ):
            await remove(desk.staff, GUEST)
            await post(desk.staff, "SECRET among the others", author=AGENT)
            await post(desk.customer, "SECRET indeed")
            for stream in (sse, ndjson):
                rest = b"".join(await stream.rest())
                assert b"participant.removed" in rest
                assert b"SECRET" not in rest
        heard = repr(await talk.heard_so_far())
        assert "participant.removed" in heard
        assert "SECRET" not in heard


async def test_a_customer_is_let_in_and_let_go_by_either_of_its_names(desk: Desk) -> None:
    environment = (await desk.server.node.engine.workspaces())[0]
    live = await desk.server.node.engine.environment(environment, "live")
    contact_id, _ = live.external_ids.resolve("usr", GUEST["id"])
    by_type_id = {"type": "user", "id": contact_id}
    seen = await add(desk.staff, by_type_id)
    assert await add(desk.staff, GUEST) == seen
    written = await post(desk.guest, "here I am")
    assert written["author"] == GUEST
    assert len(await who_takes_part(desk.staff)) == 2
    gone = await remove(desk.staff, GUEST)
    assert gone["participants"] == [USER]
    problem(await desk.guest.get(CONVERSATION), 404, "not_found")


async def test_an_account_writes_on_over_its_socket_through_removals_and_returns(
    desk: Desk,
) -> None:
    one, other = ({"type": "user", "id": name} for name in ("usr_one", "usr_other"))
    key = await desk.server.ephemeral("acct_9")
    async with talking(desk.server.realtime_url, key) as talk:
        await talk.post("conv_ours", "mine", author=other)
        for text in ("help", "please"):
            await talk.post("conv_9", text, author=one)
        path = "/v1/conversations/conv_9/participants"
        await let_a_millisecond_pass(desk.server)
        assert (await desk.staff.post(path, json=other)).is_success
        assert (await desk.staff.delete(f"{path}/user/usr_one")).is_success
        assert (await talk.post("conv_9", "still here", author=other))["replayed"] is False
        assert (await desk.staff.delete(f"{path}/user/usr_other")).is_success
        for _ in range(2):
            message = {"text": "let me in", "author": other}
            refused = await talk.refused("message.create", conversation="conv_9", message=message)
            assert refused["code"] == "not_found"
        assert (await desk.staff.post(path, json=one)).is_success
        for author in (one, one, other):
            assert (await talk.post("conv_9", "back", author=author))["replayed"] is False
    texts = [
        one["text"]
        for one in (await get(desk.staff, path.replace("participants", "messages")))["data"]
    ]
    assert texts == ["help", "please", "still here", "back", "back", "back"]


async def let_a_millisecond_pass(server: Server) -> None:
    """Let what follows be later on the record than what was."""
    engine = server.node.engine
    environment = await engine.environment((await engine.workspaces())[0], "live")
    environment.clock.advance_to(environment.clock.now_ms() + 1)


async def test_staff_that_takes_part_is_hidden_until_it_says_something_in_public(
    desk: Desk,
) -> None:
    tag = (await desk.customer.get(CONVERSATION)).headers["ETag"]
    await add(desk.staff, BOT)
    await note(desk.staff)
    assert await who_takes_part(desk.staff) == [USER, BOT, AGENT]
    assert await who_takes_part(desk.customer) == [USER]
    assert (await desk.customer.get(CONVERSATION)).headers["ETag"] == tag
    await post(desk.staff, "hello", author=AGENT)
    assert await who_takes_part(desk.customer) == [USER, AGENT]
    before = (await desk.customer.get(CONVERSATION)).headers["ETag"]
    await remove(desk.staff, BOT)
    assert (await desk.customer.get(CONVERSATION)).headers["ETag"] == before
    types = [event["type"] for event in (await get(desk.customer, EVENTS))["data"]]
    assert types == ["conversation.created", "message.created", "message.created"]


async def test_an_added_customer_is_shown_to_the_others(desk: Desk) -> None:
    await add(desk.staff, GUEST)
    for client in (desk.customer, desk.guest):
        assert await who_takes_part(client) == [USER, GUEST]
        (event,) = (await get(client, EVENTS, after="2"))["data"]
        assert (event["type"], event["previous"]) == ("participant.added", 2)


async def test_a_conversation_has_at_most_so_many_participants(desk: Desk) -> None:
    for number in range(PARTICIPANTS_MAX - 1):
        await add(desk.staff, {"type": "agent", "id": f"agt_{number}"})
    one_more = {"type": "agent", "id": "one too many"}
    problem(await desk.staff.post(PARTICIPANTS, json=one_more), 409, "conflict")
    refused = await desk.staff.post(MESSAGES, json={"text": "me too", "author": one_more})
    problem(refused, 409, "conflict")
    await post(desk.staff, "I am in already", author={"type": "agent", "id": "agt_3"})
    await remove(desk.staff, {"type": "agent", "id": "agt_7"})
    await add(desk.staff, one_more)


ODD_IDS = ("a b", "Zoë", "日本", "100%", "a+b", "a?b#c", "x" * 128, "a;b", "~", "a@b.example")


@pytest.mark.parametrize("odd", ODD_IDS)
async def test_whoever_can_be_added_can_be_removed(desk: Desk, odd: str) -> None:
    who = {"type": "user", "id": odd}
    await add(desk.staff, who)
    assert (await remove(desk.staff, who))["participants"] == [USER]


BAD: dict[str, tuple[dict[str, Any], tuple[int, str]]] = {
    "no such type": ({"type": "nobody", "id": "x"}, (422, "out_of_range")),
    "no type": ({"id": "x"}, (422, "wrong_type")),
    "no id": ({"type": "user"}, (422, "wrong_type")),
    "an empty id": ({"type": "user", "id": ""}, (422, "out_of_range")),
    "a long id": ({"type": "user", "id": "x" * 129}, (422, "out_of_range")),
    "NUL": ({"type": "user", "id": "a\0"}, (422, "forbidden_character")),
    "a line break": ({"type": "user", "id": "a\nb"}, (422, "forbidden_character")),
    "a line break of an agent": ({"type": "agent", "id": "a\nb"}, (422, "forbidden_character")),
    "an override": ({"type": "user", "id": "a\u202eb"}, (422, "forbidden_character")),
    "a number": ({"type": "user", "id": 9}, (422, "wrong_type")),
    "a member more": ({"type": "user", "id": "x", "role": "owner"}, (422, "unknown_field")),
}


async def test_nobody_is_added_by_a_bad_name(desk: Desk) -> None:
    before = await position(desk.server)
    for what, (body, refusal) in BAD.items():
        answer = await desk.staff.post(PARTICIPANTS, json=body)
        assert fault_of(answer, {refusal}) is None, (what, answer.text)
    assert await position(desk.server) == before


async def test_a_restart_keeps_who_takes_part(tmp_path: Path) -> None:
    key = ""
    lives: list[list[dict[str, str]]] = []
    for _ in range(2):
        async with serving(tmp_path) as server:
            key = key or server.tenant.live
            async with (
                server.client(key) as staff,
                server.client(await server.ephemeral("usr_9", parent=key)) as guest,
                server.client(await server.ephemeral("usr_8", parent=key)) as other,
            ):
                if not lives:
                    await post(staff, "help", author=USER)
                    await add(staff, GUEST)
                    await add(staff, {"type": "user", "id": "usr_8"})
                    await remove(staff, {"type": "user", "id": "usr_8"})
                lives.append(await who_takes_part(guest))
                problem(await other.get(CONVERSATION), 404, "not_found")
    assert lives == [[USER, GUEST], [USER, GUEST]]
