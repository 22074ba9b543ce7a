"""A flood is answered, every command of it; a conversation that fails harms nobody but itself."""

from collections import Counter
from collections.abc import Iterator

import httpx2
import pytest
import trio

from engine.conversation import posting
from engine.conversation.commands import PostMessage
from engine.conversation.state import ConversationState
from engine.feature import Payload
from engine.limits import FAILURES_BEFORE_PARKING
from tests.support.answers import problem
from tests.support.realtime import talking
from tests.support.servers import Server
from tests.support.talk import USER, post

CAPACITY = 8
WRITERS = 200
SOCKETS = 25
POISON, LOOP = "a poison", "a loop"
JSON = {"Accept": "application/json"}


@pytest.fixture
def _small_mailboxes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.actor.mailbox.MAILBOX_COMMANDS_MAX", CAPACITY)


@pytest.fixture(autouse=True)
def _rules_with_a_fault(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    sound = posting.post

    def faulty(state: ConversationState, command: PostMessage) -> tuple[Payload, ...]:
        while command.text == LOOP:
            pass
        if command.text == POISON:
            message = "a fault in the rules"
            raise RuntimeError(message)
        return sound(state, command)

    monkeypatch.setattr(posting, "post", faulty)
    return iter([None])


async def texts_of(client: httpx2.AsyncClient, name: str) -> Counter[str]:
    found: Counter[str] = Counter()
    page: dict[str, str] = {}
    while True:
        path = f"/v1/conversations/{name}/messages"
        body = (await client.get(path, params={"limit": "100"} | page, headers=JSON)).json()
        found.update(message["text"] for message in body["data"])
        if body["next"] is None:
            return found
        page = {"page": body["next"]}


@pytest.mark.requirement("G11")
@pytest.mark.usefixtures("_small_mailboxes")
async def test_every_writer_of_a_flood_is_answered_and_nothing_is_dropped(server: Server) -> None:
    answers: list[httpx2.Response] = []
    async with server.client(server.tenant.live) as client:

        async def write(number: int) -> None:
            async with server.client(server.tenant.live) as writer:
                path = "/v1/conversations/conv_flood/messages"
                body = {"text": str(number), "author": USER}
                answers.append(await writer.post(path, json=body))

        async with trio.open_nursery() as nursery:
            for number in range(WRITERS):
                nursery.start_soon(write, number)
        written = [answer.json()["text"] for answer in answers if answer.status_code == 201]
        for refused in (answer for answer in answers if answer.status_code != 201):
            problem(refused, 503, "overloaded")
            assert int(refused.headers["Retry-After"]) >= 1
        assert len(answers) == WRITERS
        assert len(written) >= CAPACITY
        assert await texts_of(client, "conv_flood") == Counter(written)


@pytest.mark.requirement("G11")
@pytest.mark.usefixtures("_small_mailboxes")
async def test_a_flood_over_sockets_is_told_overloaded(server: Server) -> None:
    told: Counter[str] = Counter()
    written: list[str] = []

    async def write(number: int) -> None:
        async with talking(server.realtime_url, server.tenant.live) as talk:
            texts = [f"{number}-{at}" for at in range(CAPACITY)]
            for text in texts:
                message = {"text": text, "author": USER}
                await talk.say(
                    "message.create", ref=text, conversation="conv_flood", message=message
                )
            for _ in texts:
                answer = await talk.hear()
                told[answer["problem"]["code"] if answer["op"] == "error" else "ok"] += 1
                if answer["op"] == "ok":
                    written.append(answer["ref"])

    async with trio.open_nursery() as nursery:
        for number in range(SOCKETS):
            nursery.start_soon(write, number)
    assert told.keys() == {"ok", "overloaded"}
    assert told.total() == SOCKETS * CAPACITY
    async with server.client(server.tenant.live) as client:
        assert await texts_of(client, "conv_flood") == Counter(written)


@pytest.mark.requirement("G12")
async def test_a_poison_is_parked_and_everybody_else_goes_on(server: Server) -> None:
    async with server.client(server.tenant.live) as client:
        await post(client, conversation="conv_ill", author=USER)
        path, body = "/v1/conversations/conv_ill/messages", {"text": POISON, "author": USER}
        for _ in range(FAILURES_BEFORE_PARKING):
            problem(await client.post(path, json=body), 503, "actor_stopped")
            await post(client, conversation="conv_well", author=USER)
        refused = await client.post(path, json=body | {"text": "Hello"})
        problem(refused, 503, "conversation_parked")
        assert int(refused.headers["Retry-After"]) >= 1
        assert (await texts_of(client, "conv_well")).total() == FAILURES_BEFORE_PARKING


@pytest.mark.requirement("G12")
async def test_a_loop_is_ended_and_everybody_else_goes_on(server: Server) -> None:
    async with server.client(server.tenant.live) as client:
        await post(client, conversation="conv_ill", author=USER)
        path, body = "/v1/conversations/conv_ill/messages", {"text": LOOP, "author": USER}
        problem(await client.post(path, json=body), 503, "actor_stopped")
        problem(await client.post(path, json=body), 503, "conversation_parked")
        await post(client, conversation="conv_well", author=USER)
    async with server.client(server.tenant.admin) as client:
        figures = (await client.get("/metrics")).text
        assert 'parley_parked_streams{environment="live"} 1.0' in figures
        assert 'parley_actor_failures_total{environment="live"} 1.0' in figures


async def test_a_poison_over_a_socket_is_told_so(server: Server) -> None:
    async with talking(server.realtime_url, server.tenant.live) as talk:
        message = {"text": LOOP, "author": USER}
        await talk.refused("message.create", conversation="conv_ill", message=message)
        answer = await talk.refused("message.create", conversation="conv_ill", message=message)
        assert answer["code"] == "conversation_parked"
        await talk.post("conv_well", "Hello", author=USER)
