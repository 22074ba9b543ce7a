"""A workspace has a name, and a list of its keys, on its own log."""

import pytest

from engine.auth.commands import CreateWorkspace
from engine.auth.events import WorkspaceCreated
from engine.auth.workspace import WorkspaceState, decide
from engine.errors import ConflictError
from persistence.memory import MemoryStores
from tests.engine.auth.test_credentials import serving


def test_a_workspace_is_made_once() -> None:
    state = WorkspaceState("ws_1")
    assert decide(state, CreateWorkspace("Acme")) == (WorkspaceCreated("ws_1", "Acme"),)
    state.created = True
    with pytest.raises(ConflictError):
        decide(state, CreateWorkspace("Acme"))


async def test_the_name_of_a_workspace_is_known_after_a_restart() -> None:
    stores = MemoryStores()
    async with serving(stores) as engine:
        named, unnamed = await engine.create_workspace("Acme"), await engine.create_workspace()
        assert engine.credentials.name_of(named) == "Acme"
        assert engine.credentials.name_of(unnamed) is None
        (event,) = await (await engine.environment(named, "workspace")).log.read_feed(after=0)
        assert (event.type, event.payload.id) == ("workspace.created", named)
    async with serving(stores) as engine:
        assert engine.credentials.name_of(named) == "Acme"
        assert engine.credentials.name_of(unnamed) is None


async def test_the_keys_of_a_workspace_are_listed_oldest_first() -> None:
    stores = MemoryStores()
    async with serving(stores) as engine:
        workspace, other = await engine.create_workspace("A"), await engine.create_workspace("B")
        texts = [await engine.create_key(workspace, "test", name=f"key {n}") for n in range(3)]
        await engine.create_key(other, "live", name="another's")
    async with serving(stores) as engine:
        listed = engine.credentials.of_workspace(workspace)
        assert [key.name for key in listed] == ["key 0", "key 1", "key 2"]
        assert [key.hint for key in listed] == [text[-4:] for text in texts]
        assert all(key.created_ms > 0 and key.environment == "test" for key in listed)
        assert [key.name for key in engine.credentials.of_workspace(other)] == ["another's"]
