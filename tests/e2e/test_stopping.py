"""A server that stops answers what it has taken."""

from pathlib import Path

import pytest
import trio

from persistence.sqlite import SqliteStores
from tests.support.realtime import PATIENCE_SECONDS, talking
from tests.support.servers import serving

MESSAGES = 20


@pytest.mark.requirement("G15")
async def test_commands_under_way_are_answered_before_the_goodbye(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    async with serving(folder) as server, talking(server.realtime_url, server.tenant.live) as talk:
        for number in range(MESSAGES):
            await talk.say(
                "message.create", ref=number, conversation="conv_1", message={"text": "x"}
            )
        with trio.fail_after(PATIENCE_SECONDS):
            first = await talk.hear("ok")
        server.node.stop()
        frames, code = await talk.closing()
    assert code == 1012
    answered = {first["version"]} | {f["version"] for f in frames if f["op"] == "ok"}
    assert answered == set(range(2, 2 + len(answered)))
    assert frames[-1]["op"] == "bye"
    assert await versions_on_disk(folder) == {1} | answered


async def versions_on_disk(folder: Path) -> set[int]:
    """Return the versions of the only conversation, read from a server that starts anew."""
    async with serving(folder) as server:
        (workspace,) = await server.node.engine.workspaces()
        environment = await server.node.engine.environment(workspace, "live")
        events = await environment.log.read_feed(after=0)
    return {event.version for event in events if event.stream.kind == "conversation"}


async def test_a_data_folder_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    stores = SqliteStores(folder)
    await stores.open()
    stores.close()
    assert folder.stat().st_mode & 0o777 == 0o755
