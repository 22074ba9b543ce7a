"""The engine opens environments when they are first used, whoever asks and whoever leaves."""

import pytest
import trio

from engine.engine import Engine
from engine.errors import WrongMasterKeyError
from persistence.memory import MemoryStores
from tests.support.desks import Desk

KEY = bytes(32)
CHECKPOINTS = 24
"""More than it takes to open an environment in memory."""


async def ask_and_leave(engine: Engine, workspace: str, checkpoints: int) -> None:
    """Ask for an environment, and leave after so many checkpoints."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(engine.environment, workspace, "live")
        for _ in range(checkpoints):
            await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()


async def test_an_environment_is_usable_after_whoever_asked_first_has_left() -> None:
    engine = Engine(MemoryStores(), master_key=KEY)
    async with trio.open_nursery() as nursery:
        await nursery.start(engine.run)
        for checkpoints in range(CHECKPOINTS):
            workspace = await engine.create_workspace()
            await ask_and_leave(engine, workspace, checkpoints)
            with trio.fail_after(5):
                desk = Desk(await engine.environment(workspace, "live"))
                assert (await desk.post(desk.staff)).event.version == 2
            assert await engine.environment(workspace, "live") is desk.environment
        nursery.cancel_scope.cancel()


async def test_many_who_ask_at_once_get_the_same_environment() -> None:
    engine = Engine(MemoryStores(), master_key=KEY)
    found = []
    async with trio.open_nursery() as nursery:
        await nursery.start(engine.run)
        workspace = await engine.create_workspace()

        async def ask() -> None:
            found.append(await engine.environment(workspace, "live"))

        async with trio.open_nursery() as asking:
            for _ in range(5):
                asking.start_soon(ask)
        nursery.cancel_scope.cancel()
    assert len(found) == 5
    assert len(set(map(id, found))) == 1


async def test_another_master_key_is_refused_and_the_right_one_still_opens() -> None:
    stores = MemoryStores()
    workspaces = []
    for _ in range(2):
        engine = Engine(stores, master_key=KEY)
        async with trio.open_nursery() as nursery:
            await nursery.start(engine.run)
            workspaces.append(await engine.create_workspace())
            assert await engine.workspaces() == sorted(workspaces)
            nursery.cancel_scope.cancel()
        words = f"the master key does not open the workspace {min(workspaces)}"
        refused = pytest.RaisesExc(WrongMasterKeyError, match=words)
        with pytest.RaisesGroup(refused, flatten_subgroups=True):
            await Engine(stores, master_key=b"x" * 32).run()
