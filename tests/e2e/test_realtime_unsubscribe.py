"""What a client no longer wants, and what it may no longer have: after that, nothing comes."""

import pytest

from tests.support.realtime import talking
from tests.support.servers import Server

pytestmark = pytest.mark.usefixtures("speech")

CONVERSATION = {"conversation": "conv_123"}
EVERYTHING = {"events": ["*"]}


async def test_nothing_comes_after_the_answer(server: Server) -> None:
    async with (
        talking(server.realtime_url, server.tenant.live) as talk,
        talking(server.realtime_url, server.tenant.live) as writer,
    ):
        posted = await writer.post("conv_123", "one")
        for wanted in (CONVERSATION, EVERYTHING):
            await talk.asked("subscribe", **wanted)
            await writer.post("conv_123", "heard")
            assert (await talk.event()).event["data"]["text"] == "heard"
            answer = await talk.asked("unsubscribe", **wanted)
            if wanted is CONVERSATION:
                assert answer["conversation"] == posted["conversation"]
            await writer.post("conv_123", "not heard")
            author = {"type": "agent", "id": "agent_maya"}
            await writer.asked("typing", conversation="conv_123", state="start", author=author)
            assert await talk.heard_so_far() == []


async def test_what_a_subscription_is_still_catching_up_with_does_not_come_either(
    server: Server,
) -> None:
    async with (
        talking(server.realtime_url, server.tenant.live) as talk,
        talking(server.realtime_url, server.tenant.live) as writer,
    ):
        for at in range(300):
            await writer.say(
                "message.create", conversation="conv_123", message={"text": f"line {at}"}
            )
        for _ in range(300):
            await writer.hear("ok")
        for wanted in (CONVERSATION, EVERYTHING):
            for ref in range(20):
                after = "now-1h" if wanted is EVERYTHING else 0
                await talk.say("subscribe", after=after, **wanted)
                await talk.say("unsubscribe", ref=ref, **wanted)
                frames = []
                while (frame := await talk.hear()).get("ref") != ref:
                    frames.append(frame["op"])
                assert set(frames) <= {"ok", "event"}
                assert await talk.heard_so_far() == []


async def test_one_subscription_ends_and_the_others_go_on(server: Server) -> None:
    async with (
        talking(server.realtime_url, server.tenant.live) as talk,
        talking(server.realtime_url, server.tenant.live) as writer,
    ):
        for name in ("conv_1", "conv_2"):
            await writer.post(name, "Hello")
            await talk.asked("subscribe", conversation=name)
        await talk.asked("subscribe", events=["message.*"])
        await talk.asked("unsubscribe", conversation="conv_1")
        second = await writer.post("conv_2", "two")
        heard = await talk.events(2)
        assert [event.event["id"] for event in heard] == 2 * [second["event_id"]]
        await talk.asked("unsubscribe", events=True)
        first = await writer.post("conv_1", "one")
        second = await writer.post("conv_2", "two")
        assert (await talk.event()).event["id"] == second["event_id"]
        granted = await talk.asked("subscribe", conversation="conv_1", after=2)
        assert granted["version"] == first["version"]
        assert (await talk.event()).event["id"] == first["event_id"]


async def test_whoever_did_not_subscribe_may_unsubscribe_too(server: Server) -> None:
    async with talking(server.realtime_url, server.tenant.live) as talk:
        for _ in range(2):
            await talk.asked("unsubscribe", conversation="conv_nowhere")
            await talk.asked("unsubscribe", events=[])
        for members in ({}, {"events": False}, {"events": True, "conversation": "conv_1"}):
            assert (await talk.refused("unsubscribe", **members))["code"] == "wrong_type"


@pytest.mark.requirement("B56")
async def test_the_same_subscription_twice_is_one(server: Server) -> None:
    async with talking(server.realtime_url, server.tenant.live) as talk:
        await talk.post("conv_123", "one")
        for wanted in (CONVERSATION, EVERYTHING):
            first = await talk.asked("subscribe", **wanted)
            again = await talk.asked("subscribe", **wanted)
            assert first | {"ref": None} == again | {"ref": None}
            posted = await talk.post("conv_123", "two")
            assert (await talk.event()).event["id"] == posted["event_id"]
            await talk.asked("unsubscribe", **wanted)
            assert await talk.heard_so_far() == []
