"""A client that was cut off resumes: it gets exactly what it missed, whatever its library."""

import random
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.support.cursors import of_another_log
from tests.support.realtime import Heard, LineClosedError, Message, Talk, talking, talking_httpx
from tests.support.servers import Server, ServerName, serving

pytestmark = pytest.mark.usefixtures("speech")

ANNA = {"type": "user", "id": "usr_anna"}
MAYA = {"type": "agent", "id": "agent_maya"}

Dial = Callable[[str, str], AbstractAsyncContextManager[Talk]]
LIBRARIES: dict[str, Dial] = {"trio-websocket": talking, "httpx2": talking_httpx}

POSITIONS: dict[str, Callable[[Heard], dict[str, Any]]] = {
    "a version": lambda last: {"after": last.version},
    "a version and its epoch": lambda last: {"after": last.version, "epoch": last.frame["epoch"]},
    "a version as text": lambda last: {"after": str(last.version)},
    "an ETag": lambda last: {"after": f'"{last.frame["epoch"]}.{last.version}"'},
    "an event id": lambda last: {"after": last.event["id"]},
    "a cursor": lambda last: {"after": last.event["cursor"]},
}


def bytes_of(events: list[Heard]) -> list[Message]:
    return [event.event_bytes for event in events]


async def conversation_between(one: Talk, other: Talk) -> tuple[list[Heard], list[Heard]]:
    """Let both write in turn; return what each has heard."""
    await one.post("conv_123", "Is anybody there?", author=ANNA)
    for talk in (one, other):
        await talk.asked("subscribe", conversation="conv_123", after=0)
    for at in range(10):
        await one.post("conv_123", f"question {at}", author=ANNA)
        await other.post("conv_123", f"answer {at}", author=MAYA)
    return await one.events(22), await other.events(22)


@pytest.mark.requirement("G2")
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("position", POSITIONS)
async def test_who_was_cut_off_gets_exactly_what_it_missed(
    server: Server, library: str, position: str
) -> None:
    url, key = server.realtime_url, server.tenant.live
    (other_library,) = set(LIBRARIES) - {library}
    async with LIBRARIES[other_library](url, key) as steady:
        async with LIBRARIES[library](url, key) as talk:
            heard, all_events = await conversation_between(talk, steady)
            await talk.line.cut()
            with pytest.raises(LineClosedError):
                await talk.hear()
        for at in range(300):
            await steady.say(
                "message.create", conversation="conv_123", message={"text": f"missed {at}"}
            )
        while len(all_events) < 322:
            raw = await steady.hear_raw()
            frame = steady.speech.read(raw)
            if frame["op"] == "event":
                all_events.append(Heard(raw, frame))
        async with LIBRARIES[library](url, key) as talk:
            granted = await talk.asked(
                "subscribe", conversation="conv_123", **POSITIONS[position](heard[-1])
            )
            assert granted["version"] == 322
            heard += await talk.events(300)
            await steady.post("conv_123", "back again?")
            heard.append(await talk.event())
            all_events.append(await steady.event())
    assert [event.version for event in heard] == list(range(1, 324))
    assert bytes_of(heard) == bytes_of(all_events)


async def test_a_time_gives_everything_from_that_moment_on(server: Server) -> None:
    async with talking(server.realtime_url, server.tenant.live) as talk:
        for at in range(30):
            await talk.post("conv_123", f"line {at}")
        await talk.asked("subscribe", conversation="conv_123", after=0)
        everything = await talk.events(31)
        for pivot in (everything[1], everything[15], everything[30]):
            moment = pivot.event["time"]
            expected = [event for event in everything if event.event["time"] >= moment]
            async with talking_httpx(server.realtime_url, server.tenant.live) as late:
                await late.asked("subscribe", conversation="conv_123", after=moment)
                assert bytes_of(await late.events(len(expected))) == bytes_of(expected)
        async with talking(server.realtime_url, server.tenant.live) as late:
            await late.asked("subscribe", conversation="conv_123", after="now-1h")
            assert bytes_of(await late.events(31)) == bytes_of(everything)


@pytest.mark.requirement("G2")
async def test_a_place_survives_a_restart(tmp_path: Path, server_name: ServerName) -> None:
    async with serving(tmp_path / "data", server=server_name) as server:
        key = server.tenant.live
        async with talking(server.realtime_url, key) as talk:
            for at in range(5):
                await talk.post("conv_123", f"before {at}")
            await talk.asked("subscribe", conversation="conv_123", after=0)
            before = await talk.events(6)
    async with (
        serving(tmp_path / "data", server=server_name) as server,
        talking(server.realtime_url, key) as talk,
    ):
        receipt = await talk.post("conv_123", "after")
        assert receipt["version"] == 7
        for position in POSITIONS.values():
            await talk.asked("subscribe", conversation="conv_123", **position(before[2]))
            again = await talk.events(4)
            assert bytes_of(again[:3]) == bytes_of(before[3:])
            assert again[3].version == 7


@pytest.mark.requirement("B57")
async def test_a_place_in_a_log_that_is_gone_is_answered_with_a_reset(server: Server) -> None:
    engine = server.node.engine
    async with talking(server.realtime_url, server.tenant.live) as talk:
        posted = await talk.post("conv_123", "Hello")
        environment = await engine.environment(server.tenant.workspace, "live")
        earlier = of_another_log(environment.log.cursors, "zzzzzzzz")
        old = {"after": earlier.make(2)}, {"after": '"zzzzzzzz.2"'}
        for place in (*old, {"after": 2, "epoch": "zzzzzzzz"}):
            answer = await talk.ask("subscribe", conversation="conv_123", **place)
            assert answer["op"] == "reset"
            assert answer["conversation"] == posted["conversation"]
            assert answer["earliest"] == 0
            assert answer["epoch"] == posted["epoch"]
        assert (await talk.ask("subscribe", events=["*"], **old[0]))["op"] == "reset"
        await talk.asked("subscribe", conversation="conv_123", after=0)
        assert [event.version for event in await talk.events(2)] == [1, 2]


@pytest.mark.requirement("B57")
async def test_a_place_that_was_not_reached_yet_is_refused(server: Server) -> None:
    engine = server.node.engine
    async with talking(server.realtime_url, server.tenant.live) as talk:
        await talk.post("conv_123", "Hello")
        environment = await engine.environment(server.tenant.workspace, "live")
        ahead = environment.log.cursors.make(99)
        for after in (3, "3", f'"{environment.log.epoch}.3"', ahead, 2**53):
            problem = await talk.refused("subscribe", conversation="conv_123", after=after)
            assert problem["code"] == "bad_version"
            assert problem["status"] == 422


class Follower:
    """Follows one conversation over lines that break at random, and keeps what it hears."""

    def __init__(self, server: Server, chance: random.Random) -> None:
        self._server = server
        self._chance = chance
        self.heard: list[Heard] = []

    async def follow(self, until: Callable[[], int]) -> None:
        while len(self.heard) < until():
            dial = self._chance.choice(list(LIBRARIES.values()))
            async with dial(self._server.realtime_url, self._server.tenant.live) as talk:
                place = {"after": 0}
                if self.heard:
                    place = self._chance.choice(list(POSITIONS.values()))(self.heard[-1])
                await talk.asked("subscribe", conversation="conv_busy", **place)
                for _ in range(self._chance.randint(0, 120)):
                    if len(self.heard) >= until():
                        break
                    self.heard.append(await talk.event())
                if self._chance.random() < 0.7:
                    await talk.line.cut()


async def write(server: Server, chance: random.Random, name: str, count: int) -> None:
    """Write ``count`` messages by one door or the other."""
    async with (
        talking(server.realtime_url, server.tenant.live) as talk,
        server.client(server.tenant.live) as client,
    ):
        for at in range(count):
            text = f"{name} {at} " + "x" * chance.randint(0, 2000)
            if chance.random() < 0.8:
                await talk.post("conv_busy", text)
            else:
                path = "/v1/conversations/conv_busy/messages"
                assert (await client.post(path, json={"text": text})).status_code == 201


@pytest.mark.requirement("G2")
async def test_whatever_breaks_everybody_hears_the_same_once_and_in_order(server: Server) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")  # noqa: T201 - what is needed to run it again
    chance = random.Random(seed)
    writers, each, followers = 3, 120, 6
    total = 1 + 1 + writers * each
    async with talking(server.realtime_url, server.tenant.live) as talk:
        await talk.post("conv_busy", "first")
        following = [Follower(server, random.Random(chance.random())) for _ in range(followers)]
        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                for at in range(writers):
                    own = random.Random(chance.random())
                    nursery.start_soon(write, server, own, f"writer {at}", each)
                for follower in following:
                    nursery.start_soon(follower.follow, lambda: total)
        await talk.asked("subscribe", conversation="conv_busy", after=0)
        reference = await talk.events(total)
    assert [event.version for event in reference] == list(range(1, total + 1))
    for follower in following:
        assert bytes_of(follower.heard) == bytes_of(reference)
