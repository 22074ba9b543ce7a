"""What is said over an open realtime connection, and what is answered."""

from pathlib import Path
from typing import Any

import apsw
import pytest

from gateway.limits import JSON_DEPTH_MAX, SUBSCRIPTIONS_MAX
from tests.support.realtime import JSON, Speech, talking
from tests.support.servers import Server, ServerName, serving
from tests.support.wire import BINARY, TEXT, frame, handshake, wired

pytestmark = pytest.mark.usefixtures("speech")


def message(conversation: str = "conv_123", **body: Any) -> dict[str, Any]:
    return {"conversation": conversation, "message": {"text": "Hello", **body}}


def nested(depth: int) -> dict[str, Any]:
    return {"deep": nested(depth - 1)} if depth else {}


REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "NUL in a text": ("message.create", message(text="a\0b"), "forbidden_character"),
    "a bell in a text": ("message.create", message(text="\a"), "forbidden_character"),
    "2^64 - 1 in metadata": ("message.create", message(metadata={"n": 2**64 - 1}), "out_of_range"),
    "a text that is too large": ("message.create", message(text="x" * 40_000), "too_large"),
    "an idempotency key with a line break": (
        "message.create",
        message(idempotency_key="a\nb"),
        "bad_idempotency_key",
    ),
    "a version that is none yet": ("message.create", message(expected_version=9), "bad_version"),
    "a subscription to nothing": ("subscribe", {}, "wrong_type"),
    "a subscription to both": (
        "subscribe",
        {"conversation": "conv_123", "events": ["*"]},
        "wrong_type",
    ),
    "a negative version": ("subscribe", {"conversation": "conv_123", "after": -1}, "bad_position"),
    "half a version": ("subscribe", {"conversation": "conv_123", "after": 1.5}, "bad_position"),
    "a version behind the head": (
        "subscribe",
        {"conversation": "conv_123", "after": 99},
        "bad_version",
    ),
    "no position": ("subscribe", {"conversation": "conv_123", "after": "soon"}, "bad_position"),
    "a forged cursor": (
        "subscribe",
        {"conversation": "conv_123", "after": "cur_" + "A" * 32},
        "bad_cursor",
    ),
    "a conversation there is not": ("subscribe", {"conversation": "conv_nowhere"}, "not_found"),
    "an event type there is not": ("subscribe", {"events": ["nonsense.*"]}, "out_of_range"),
    "a version for every event": ("subscribe", {"events": ["*"], "after": 1}, "bad_position"),
}


@pytest.mark.requirement("B57")
@pytest.mark.parametrize("name", REFUSED)
async def test_a_refusal_brings_its_ref_back_and_the_talk_goes_on(
    server: Server, name: str
) -> None:
    op, members, code = REFUSED[name]
    async with talking(server.realtime_url, server.tenant.live) as talk:
        await talk.post("conv_123", "so that there is one")
        for _ in range(4):
            problem = await talk.refused(op, **members)
            assert problem["code"] == code
        await talk.asked("subscribe", conversation="conv_123")


async def test_a_message_may_be_nested_but_not_too_deeply(server: Server) -> None:
    async with talking(server.realtime_url, server.tenant.live) as talk:
        fitting = nested(JSON_DEPTH_MAX - 3)
        await talk.post("conv_123", "deep", metadata=fitting)
        await talk.say("message.create", ref=1, **message(metadata=nested(JSON_DEPTH_MAX)))
        assert (await talk.hear("error"))["problem"]["code"] == "bad_frame"


async def test_a_message_is_answered_with_its_place(server: Server) -> None:
    async with talking(server.realtime_url, server.tenant.live) as talk:
        first = await talk.post("conv_123", "Hello — I need help", author=ANNA)
        second = await talk.post("conv_123", "with my order", author=ANNA)
        assert first["id"].startswith("msg_")
        assert first["conversation"].startswith("conv_")
        assert (first["version"], second["version"]) == (2, 3)
        assert first["event_id"].startswith("evt_")
        assert first["cursor"] != second["cursor"]
        assert first["replayed"] is False
    async with server.client(server.tenant.live) as client:
        page = (await client.get("/v1/conversations/conv_123/messages")).json()
    kept = [(m["id"], m["version"], m["cursor"], m["text"], m["epoch"]) for m in page["data"]]
    assert kept == [
        (first["id"], 2, first["cursor"], "Hello — I need help", first["epoch"]),
        (second["id"], 3, second["cursor"], "with my order", second["epoch"]),
    ]


async def test_when_the_answer_comes_another_process_would_find_the_message(
    server: Server, tmp_path: Path
) -> None:
    async with talking(server.realtime_url, server.tenant.live) as talk:
        (log,) = (tmp_path / "data").rglob("live/log.db")
        other = apsw.Connection(str(log), flags=apsw.SQLITE_OPEN_READONLY)
        for version in range(2, 20):
            await talk.post("conv_123", f"message {version}")
            rows = other.execute("SELECT count(*) FROM records").get
            assert rows == version
        other.close()


async def test_one_key_by_two_doors_is_one_message(server: Server) -> None:
    body = {"text": "Once", "author": ANNA, "idempotency_key": "msg-1"}
    path = "/v1/conversations/conv_123/messages"
    async with (
        talking(server.realtime_url, server.tenant.live) as talk,
        server.client(server.tenant.live) as client,
    ):
        posted = (await client.post(path, json=body)).json()
        again = await talk.asked("message.create", conversation="conv_123", message=body)
        by_id = await talk.asked(
            "message.create", conversation=posted["conversation_id"], message=body
        )
        assert again["replayed"] is by_id["replayed"] is True
        assert again["id"] == by_id["id"] == posted["id"]
        assert again["version"] == posted["version"]
        assert again["cursor"] == posted["cursor"]

        body = {**body, "idempotency_key": "msg-2"}
        said = await talk.asked("message.create", conversation="conv_123", message=body)
        answer = await client.post(path, json=body)
        assert answer.headers["Idempotent-Replayed"] == "true"
        assert answer.json()["id"] == said["id"]
        assert [m["id"] for m in (await client.get(path)).json()["data"]] == [
            posted["id"],
            said["id"],
        ]


async def test_one_key_with_another_body_is_refused(server: Server) -> None:
    async with talking(server.realtime_url, server.tenant.live) as talk:
        await talk.post("conv_123", "Once", idempotency_key="msg-1")
        other = message(text="Twice", idempotency_key="msg-1")
        assert (await talk.refused("message.create", **other))["code"] == "idempotency_mismatch"


async def test_a_version_conflict_says_what_was_missed(server: Server) -> None:
    async with talking(server.realtime_url, server.tenant.live) as talk:
        seen = await talk.post("conv_123", "one")
        await talk.post("conv_123", "two")
        stale = message(text="three", expected_version=seen["version"])
        problem = await talk.refused("message.create", **stale)
    assert problem["code"] == "version_conflict"
    assert problem["status"] == 412
    assert problem["current_version"] == 3
    assert [event["data"]["text"] for event in problem["missed"]] == ["two"]


async def test_refs_of_any_kind_come_back_as_they_are(server: Server) -> None:
    async with talking(server.realtime_url, server.tenant.live) as talk:
        for ref in (0, -7, 2**53, "", "näme", "0"):
            await talk.say("ping", ref=ref)
            assert (await talk.hear("pong"))["ref"] == ref
        await talk.say("ping")
        assert await talk.hear() == {"op": "pong"}
        await talk.say("pong")
        await talk.say("ping", ref=1)
        assert (await talk.hear())["op"] == "pong"


async def test_the_ref_of_a_frame_that_means_nothing_comes_back_too(server: Server) -> None:
    async with talking(server.realtime_url, server.tenant.live) as talk:
        await talk.say("nonsense", ref=7)
        assert (await talk.hear("error"))["ref"] == 7
        await talk.say("message.create", ref=8, conversation="conv_123", message={"text": 7})
        assert (await talk.hear("error"))["ref"] == 8


async def test_answers_of_many_commands_in_flight_keep_their_refs(server: Server) -> None:
    async with talking(server.realtime_url, server.tenant.live) as talk:
        for at in range(200):
            await talk.say("message.create", ref=at, **message("conv_many", text=f"line {at}"))
        answers = [await talk.hear("ok") for _ in range(200)]
    assert [answer["ref"] for answer in answers] == list(range(200))
    assert [answer["version"] for answer in answers] == list(range(2, 202))


async def test_commands_that_come_at_once_and_must_wait_are_answered_and_more_is_heard(
    tmp_path: Path, server_name: ServerName, speech: Speech
) -> None:
    """After a restart nothing is at hand, so that each of them waits for its actor."""
    async with serving(tmp_path, server=server_name) as server:
        key = server.tenant.live
        async with talking(server.realtime_url, key) as talk:
            for at in range(6):
                await talk.post(f"case-{at}", "Hello")
    async with serving(tmp_path, server=server_name) as server, wired(server.url) as wire:
        protocol = f"Sec-WebSocket-Protocol: {speech.subprotocol}".encode()
        await wire.send(handshake(protocol, key=key))
        await wire.until(b"ready")
        for at in range(0, 6, 2):
            await wire.send(subscribing(speech, at) + subscribing(speech, at + 1))
            await wire.until(f"case-{at + 1}".encode())


def subscribing(speech: Speech, at: int) -> bytes:
    said = speech.write({"op": "subscribe", "conversation": f"case-{at}"})
    return frame(BINARY, said) if isinstance(said, bytes) else frame(TEXT, said.encode())


async def test_any_json_route_can_be_called(server: Server) -> None:
    async with talking(server.realtime_url, server.tenant.live) as talk:
        body = {"text": "by call", "author": ANNA, "idempotency_key": "msg-1"}
        path = "/v1/conversations/conv_123/messages"
        posted = await talk.asked("call", method="POST", path=path, body=body)
        assert posted["status"] == 201
        assert posted["headers"]["etag"] == f'"{posted["body"]["epoch"]}.2"'
        again = await talk.asked("message.create", conversation="conv_123", message=body)
        assert again["replayed"] is True
        assert again["id"] == posted["body"]["id"]
        page = await talk.asked("call", method="GET", path=f"{path}?limit=1")
        assert page["status"] == 200
        assert [m["text"] for m in page["body"]["data"]] == ["by call"]
        head = await talk.asked("call", method="GET", path="/v1/conversations/conv_123")
        assert head["body"]["version"] == 2
        health = await talk.asked("call", method="GET", path="/healthz")
        assert health["status"] == 200


async def test_a_route_that_is_strict_about_its_body_can_be_called_too(server: Server) -> None:
    body = {"user_id": "usr_anna", "scopes": ["conversation:read"], "ttl": 60}
    async with talking(server.realtime_url, server.tenant.live) as talk:
        made = await talk.asked("call", method="POST", path="/v1/auth/ephemeral", body=body)
        assert made["status"] == 201
    async with talking(server.realtime_url, made["body"]["ephemeral_key"]) as customer:
        refused = await customer.refused("subscribe", conversation="conv_123")
        assert refused["code"] == "not_found"


CALLS: dict[str, tuple[dict[str, Any], str]] = {
    "a path there is not": ({"method": "GET", "path": "/v1/nowhere"}, "not_found"),
    "a method it does not take": ({"method": "DELETE", "path": "/healthz"}, "method_not_allowed"),
    "a stream": ({"method": "GET", "path": "/v1/events/stream"}, "not_acceptable"),
    "a query it does not take": (
        {"method": "GET", "path": "/v1/conversations/conv_123/messages?limit=-1"},
        "bad_parameter",
    ),
    "no body": (
        {"method": "POST", "path": "/v1/conversations/conv_123/messages"},
        "malformed_json",
    ),
    "a body that is no object": (
        {"method": "POST", "path": "/v1/conversations/conv_123/messages", "body": [1]},
        "wrong_type",
    ),
    "2^64 - 1 in a body": (
        {
            "method": "POST",
            "path": "/v1/conversations/conv_123/messages",
            "body": {"text": "x", "metadata": {"n": 2**64 - 1}},
        },
        "out_of_range",
    ),
    "a body that is wrong": (
        {"method": "POST", "path": "/v1/conversations/conv_123/messages", "body": {"text": 7}},
        "wrong_type",
    ),
    "NUL in a body": (
        {"method": "POST", "path": "/v1/conversations/conv_123/messages", "body": {"text": "\0"}},
        "forbidden_character",
    ),
}


@pytest.mark.parametrize("name", CALLS)
async def test_a_call_that_is_refused_brings_its_problem(server: Server, name: str) -> None:
    members, code = CALLS[name]
    async with talking(server.realtime_url, server.tenant.live) as talk:
        problem = await talk.refused("call", **members)
        assert problem["code"] == code
        assert problem["instance"] == members["path"].partition("?")[0]
        await talk.say("ping")
        await talk.hear("pong")


async def test_a_call_has_no_more_scopes_than_its_key(server: Server) -> None:
    key = await server.ephemeral("acct_1", scopes=("conversation:read",))
    async with talking(server.realtime_url, key) as talk:
        path = "/v1/conversations/conv_123/messages"
        problem = await talk.refused("call", method="POST", path=path, body={"text": "no"})
        assert problem["code"] == "missing_scope"
        assert problem["required_scopes"] == ["conversation:write"]
        problem = await talk.refused("message.create", **message())
        assert problem["code"] == "missing_scope"


async def test_a_key_that_may_not_read_follows_nothing(server: Server) -> None:
    async with talking(server.realtime_url, server.tenant.live) as staff:
        await staff.post("conv_123", "not for everybody")
    key = await server.ephemeral("acct_1", scopes=("conversation:write",))
    async with talking(server.realtime_url, key) as talk:
        problem = await talk.refused("subscribe", conversation="conv_123")
        assert problem["code"] == "missing_scope"
        assert problem["required_scopes"] == ["conversation:read"]


MORE, WINDOW = 2_000, 100
"""Subscriptions tried beyond the bound, and how many of them at once."""


@pytest.mark.requirement("B56")
async def test_one_subscription_too_many_is_refused_and_the_others_stay(server: Server) -> None:
    async with (
        talking(server.realtime_url, server.tenant.live) as talk,
        talking(server.realtime_url, server.tenant.live) as writer,
    ):
        for at in range(SUBSCRIPTIONS_MAX + 1):
            await writer.post(f"conv_{at}", "Hello")
        for at in range(SUBSCRIPTIONS_MAX):
            await talk.asked("subscribe", conversation=f"conv_{at}")
        for _ in range(MORE // WINDOW):
            for at in range(WINDOW):
                name = f"conv_{SUBSCRIPTIONS_MAX}" if at % 2 else f"conv_nowhere_{at}"
                await talk.say("subscribe", ref=at, conversation=name)
            problems = [(await talk.hear("error"))["problem"]["code"] for _ in range(WINDOW)]
            assert problems == ["not_found", "out_of_range"] * (WINDOW // 2)
        await talk.asked("subscribe", conversation="conv_0")
        await writer.post("conv_0", "still there?")
        assert (await talk.event()).event["data"]["text"] == "still there?"


@pytest.mark.requirement("S18")
async def test_the_frame_of_an_event_is_what_every_other_door_gives(
    server: Server, speech: Speech
) -> None:
    async with (
        talking(server.realtime_url, server.tenant.live) as talk,
        server.client(server.tenant.live) as client,
    ):
        metadata = {"n": -7, "x": 1.5, "list": [None, True, 2**63 - 1], "ä\u2028": {"": "\n"}}
        posted = await talk.post("conv_123", "Hello", author=ANNA, metadata=metadata)
        granted = await talk.asked("subscribe", conversation="conv_123", after=0)
        assert granted["version"] == 2
        assert granted["epoch"] == posted["epoch"]
        assert granted["conversation"] == posted["conversation"]
        assert granted["conversation_external_id"] == "conv_123"
        created, said = await talk.events(2)
        path = "/v1/conversations/conv_123/events"
        page = await client.get(path, headers={"Accept": "application/json"})
    assert [created.event, said.event] == page.json()["data"]
    assert said.event["data"]["metadata"] == metadata
    if speech is JSON:
        for event in (created, said):
            assert str(event.event_bytes) in page.text
    assert said.frame["conversation"] == posted["conversation"]
    assert said.frame["epoch"] == posted["epoch"]
    assert (created.version, said.version) == (1, 2)


ANNA = {"type": "user", "id": "usr_anna"}
