"""A socket that stops reading is told how far it is, is sent away, and goes on where it was."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from gateway.limits import OUTBOUND_WRITE_SECONDS
from tests.support.bounds import shorten
from tests.support.realtime import PATIENCE_SECONDS, Talk, bearer, dialing
from tests.support.rooms import rooms_on
from tests.support.servers import Server
from tests.support.talk import UNREAD_MESSAGES, fill
from tests.support.wire import SMALL_BUFFER_BYTES

pytestmark = pytest.mark.usefixtures("speech")

SOON_SECONDS = 0.3
VERSIONS = list(range(1, UNREAD_MESSAGES + 2))
HERE = {"conversation": "conv_123"}


@asynccontextmanager
async def late(server: Server, *, after: int = 0) -> AsyncIterator[Talk]:
    """Let a client with little room follow a long conversation."""
    headers = bearer(server.tenant.live)
    small = {"receive_buffer_bytes": SMALL_BUFFER_BYTES}
    async with dialing(server.realtime_url, headers, **small) as talk:  # type: ignore[arg-type]
        await talk.hear("ready")
        await talk.asked("subscribe", **HERE, after=after)
        yield talk


async def until_let_go(server: Server) -> None:
    """Wait until nobody follows anything."""
    bus = (await server.node.engine.environment(server.tenant.workspace, "live")).bus
    with trio.fail_after(PATIENCE_SECONDS):  # noqa: ASYNC912
        while rooms_on(bus):  # noqa: ASYNC110
            await trio.sleep(SOON_SECONDS / 10)


async def told(talk: Talk, op: str, versions: list[int]) -> dict[str, Any]:
    """Return the next ``op``; the versions of the events before it are added to ``versions``."""
    while (frame := await talk.hear())["op"] != op:
        assert frame["op"] == "event", frame
        versions.append(frame["event"]["version"])
    return frame


async def test_who_reads_again_is_told_how_far_it_is_and_misses_nothing(
    front_door: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten(monkeypatch, LAGGING_SECONDS=SOON_SECONDS)
    await fill(front_door)
    versions: list[int] = []
    async with late(front_door) as talk:
        await trio.sleep(3 * SOON_SECONDS)
        lagging = await told(talk, "lagging", versions)
        assert versions[-1] <= lagging["version"] < VERSIONS[-1]
        versions += [event.version for event in await talk.events(len(VERSIONS) - len(versions))]
        assert versions == VERSIONS
        await talk.asked("typing", **HERE, state="start", author={"type": "agent", "id": "agent_1"})


@pytest.mark.requirement("G11")
async def test_who_never_reads_is_sent_away_with_the_version_to_resume_at(
    front_door: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert OUTBOUND_WRITE_SECONDS > 2 * SOON_SECONDS
    shorten(monkeypatch, LAGGING_SECONDS=SOON_SECONDS, OUTBOUND_WRITE_SECONDS=2 * SOON_SECONDS)
    await fill(front_door)
    versions: list[int] = []
    async with late(front_door) as talk:
        await until_let_go(front_door)
        lagging = await told(talk, "lagging", versions)
        (bye,), code = await talk.closing()
        assert bye["op"] == "bye"
        assert bye["code"] == code == 4008
        assert bye["reconnect"] is True
        assert f"after version {lagging['version']}" in bye["reason"]
        assert versions == VERSIONS[: lagging["version"]]
    async with late(front_door, after=lagging["version"]) as talk:
        versions += [event.version for event in await talk.events(len(VERSIONS) - len(versions))]
    assert versions == VERSIONS
