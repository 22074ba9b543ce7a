"""A seed is the same everywhere, is written once, and grows."""

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import trio

from engine.conversation.service import stream_of
from engine.environment import Environment
from engine.errors import ForbiddenError, InvalidError, NotFoundError
from engine.limits import COMMAND_KEY_SECONDS
from gateway.control import seeding
from gateway.control.client import no_progress
from gateway.control.context import Context
from gateway.control.scripts import MESSAGES_MIN, scripts
from tests.gateway.control.desks import engine_running

PINNED = [
    ("usr_julia", "How do I export everything we have written since Tuesday?"),
    (
        "bot_triage",
        "Thanks for writing. I am getting somebody from the team who can help with that.",
    ),
    ("agent_noah", "Asked for twice now: tell product about number 4157."),
    ("agent_noah", "Settings, then Data, then Export. It is ready in a few minutes."),
]
SLOW_SECONDS = 8.0
SEED = seeding.Seed(rng=7, conversations=6, messages=9)


def test_a_number_gives_the_same_words_on_every_machine() -> None:
    (script,) = scripts(7, conversations=1, messages=5)
    assert script.conversation == "conv_seed_7_00001"
    assert [(line.author.id, line.text) for line in script.lines] == PINNED


def test_another_number_gives_other_words() -> None:
    one, other = (list(scripts(rng, conversations=20, messages=12)) for rng in (1, 2))
    assert {script.conversation for script in one}.isdisjoint(s.conversation for s in other)
    assert [script.lines for script in one] != [script.lines for script in other]


def test_a_seed_is_the_beginning_of_a_larger_one() -> None:
    small = list(scripts(1, conversations=10, messages=6))
    large = list(scripts(1, conversations=30, messages=6))
    assert large[:10] == small
    for short, long in zip(small, scripts(1, conversations=10, messages=60), strict=True):
        assert short.lines == long.lines[: len(short.lines)]


def test_there_are_customers_agents_a_bot_and_notes() -> None:
    every = list(scripts(1, conversations=50, messages=20))
    lines = [line for script in every for line in script.lines]
    assert {line.author.type for line in lines} == {"user", "agent", "bot"}
    assert {line.visibility for line in lines} == {"public", "note"}
    assert len({line.author.id for line in lines if line.author.type == "user"}) > 5
    lengths = {len(script.lines) for script in every}
    assert min(lengths) >= MESSAGES_MIN
    assert max(lengths) <= 20
    assert "{" not in "".join(line.text for line in lines)


async def counted(environment: Environment) -> dict[str, int]:
    """Return how many messages each conversation of the log has."""
    found: dict[str, int] = {}
    for event in await environment.log.read_feed(after=0, limit=256):
        if event.type == "message.created":
            found[event.stream.name] = found.get(event.stream.name, 0) + 1
    return found


async def test_a_seed_is_written_once_however_often_it_is_asked() -> None:
    async with engine_running() as engine:
        workspace = await engine.create_workspace("Acme")
        context = Context(engine, Path())
        first = await seeding.seed(context, SEED, no_progress)
        test = await engine.environment(workspace, "test")
        written = await counted(test)
        assert first["written"] == first["messages"] == sum(written.values())
        assert len(written) == 6
        again = await seeding.seed(context, SEED, no_progress)
        assert (again["written"], again["messages"]) == (0, first["messages"])
        test.clock.advance_to(test.clock.now_ms() + (COMMAND_KEY_SECONDS + 60) * 1000)
        assert (await seeding.seed(context, SEED, no_progress))["written"] == 0
        assert await counted(test) == written


async def test_a_seed_that_was_cut_short_is_finished_by_the_next() -> None:
    async with engine_running() as engine:
        workspace = await engine.create_workspace("Acme")
        test = await engine.environment(workspace, "test")
        wanted = tuple(scripts(7, conversations=6, messages=9))
        part = [replace(wanted[0], lines=wanted[0].lines[:1]), wanted[1]]
        tally = seeding.Tally(0, no_progress)
        await seeding.write(test, part, tally)
        done = await seeding.seed(Context(engine, Path()), SEED, no_progress)
        assert done["written"] == done["messages"] - tally.written
        for script in wanted:
            conversation_id, _ = test.external_ids.resolve("conv", script.conversation)
            events = await test.log.read(stream_of(conversation_id))
            texts = [event.payload.text for event in events if event.type == "message.created"]
            assert texts == [line.text for line in script.lines]


async def test_live_is_written_only_by_those_who_say_so() -> None:
    async with engine_running() as engine:
        workspace = await engine.create_workspace("Acme")
        context = Context(engine, Path())
        live = msgspec.structs.replace(SEED, environment="live")
        with pytest.raises(ForbiddenError, match="--yes"):
            await seeding.seed(context, live, no_progress)
        assert (await engine.environment(workspace, "live")).log.committed() == 0
        meant = msgspec.structs.replace(live, confirmed=True)
        assert (await seeding.seed(context, meant, no_progress))["written"] > 0


async def test_the_workspace_is_said_when_there_is_more_than_one() -> None:
    async with engine_running() as engine:
        context = Context(engine, Path())
        with pytest.raises(NotFoundError, match="parley keys workspace"):
            await seeding.seed(context, SEED, no_progress)
        known = [await engine.create_workspace(name) for name in ("A", "B")]
        with pytest.raises(InvalidError, match="--workspace"):
            await seeding.seed(context, SEED, no_progress)
        elsewhere = msgspec.structs.replace(SEED, workspace="ws_nobody")
        with pytest.raises(NotFoundError):
            await seeding.seed(context, elsewhere, no_progress)
        named = msgspec.structs.replace(SEED, workspace=known[1])
        assert (await seeding.seed(context, named, no_progress))["workspace"] == known[1]


async def test_progress_counts_up_to_the_total() -> None:
    told: list[tuple[int, int]] = []

    async def progress(done: int, total: int) -> None:
        await trio.lowlevel.checkpoint()
        told.append((done, total))

    async with engine_running() as engine:
        await engine.create_workspace("Acme")
        done = await seeding.seed(Context(engine, Path()), SEED, progress)
    assert told[-1] == (done["messages"], done["messages"])
    assert [one for one, _ in told] == sorted(one for one, _ in told)


async def test_one_writer_alone_waits_for_a_listener_that_is_slow(
    autojump_clock: trio.testing.MockClock,
) -> None:
    del autojump_clock
    inside: list[int] = []

    async def slow(done: int, total: int) -> None:
        del total
        inside.append(done)
        assert len(inside) == 1
        await trio.sleep(SLOW_SECONDS)
        inside.clear()

    tally = seeding.Tally(3, slow)
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(tally.count)
            await trio.sleep(SLOW_SECONDS / 4)
    assert inside == []
