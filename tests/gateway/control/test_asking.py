"""A command asks the server on a folder, or holds the folder itself."""

import os
import stat
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from engine.errors import NotFoundError
from gateway.config import Settings, UnsafeSettingsError
from gateway.control import address
from gateway.control.client import ask, ask_or_hold
from gateway.control.errors import CommandError, NobodyListensError
from gateway.limits import CONTROL_ANSWER_BYTES_MAX, FOLDER_WAIT_SECONDS
from persistence.errors import StoreLockedError
from persistence.sqlite.files import FolderLock
from tests.gateway.control.desks import listening

ACME = {"name": "Acme"}


async def test_without_a_server_the_folder_is_held_and_given_back(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data")
    made = await ask_or_hold(settings, "workspaces.create", ACME, new_folder=True)
    listed = await ask_or_hold(settings, "keys.list", {"workspace": made["workspace"]})
    assert len(listed["data"]) == 3
    lock = FolderLock(tmp_path / "data")
    lock.take()
    lock.give_back()


async def test_with_a_server_no_master_key_is_needed(tmp_path: Path) -> None:
    async with listening(tmp_path):
        settings = Settings(data=tmp_path, master_key_file=tmp_path / "nowhere.key")
        made = await ask_or_hold(settings, "workspaces.create", ACME)
        assert made["workspace"].startswith("ws_")
    assert not (tmp_path / "master.key").exists()


async def test_a_folder_that_is_held_without_a_socket_is_waited_for(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    del autojump_clock
    settings = Settings(data=tmp_path)
    lock = FolderLock(tmp_path)
    lock.take()
    began = trio.current_time()
    locked = pytest.RaisesExc(StoreLockedError, match=f"process {os.getpid()}")
    with pytest.RaisesGroup(locked, flatten_subgroups=True):
        await ask_or_hold(settings, "keys.list", {"workspace": None})
    assert FOLDER_WAIT_SECONDS <= trio.current_time() - began < FOLDER_WAIT_SECONDS + 1


async def test_a_folder_that_comes_free_in_time_is_taken(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path)
    lock.take()
    async with trio.open_nursery() as nursery:

        async def give_back() -> None:
            await wait_all_tasks_blocked(0.01)  # it has tried, and waits to try again
            lock.give_back()

        nursery.start_soon(give_back)
        listed = await ask_or_hold(Settings(data=tmp_path), "keys.list", {"workspace": None})
    assert listed == {"data": []}


async def test_a_folder_that_is_not_there_is_not_made_by_a_question(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="parley dev"):
        await ask_or_hold(Settings(data=tmp_path / "typo"), "keys.list", {})
    assert not (tmp_path / "typo").exists()
    with pytest.raises(UnsafeSettingsError, match="memory"):
        await ask_or_hold(Settings(data=tmp_path, store="memory"), "keys.list", {})


@pytest.mark.parametrize(
    "said",
    [b"", b'{"line":"progress"', b"nonsense\n", b"x" * (CONTROL_ANSWER_BYTES_MAX + 1)],
    ids=["nothing", "half a line", "nonsense", "too much"],
)
async def test_a_server_that_does_not_answer_as_it_should_is_given_up(
    tmp_path: Path, said: bytes
) -> None:
    async def talk(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some(1000)
            try:
                await stream.send_all(said)
            except trio.BrokenResourceError:
                return

    with address.socket_path(tmp_path) as path:
        listening_socket = trio.socket.socket(trio.socket.AF_UNIX)
        await listening_socket.bind(path)
    listening_socket.listen()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, talk, [trio.SocketListener(listening_socket)])
        with pytest.raises(CommandError):
            await ask(tmp_path, "status")
        nursery.cancel_scope.cancel()


async def test_where_there_is_no_folder_nobody_listens(tmp_path: Path) -> None:
    file = tmp_path / "file"
    await trio.Path(file).write_text("x")
    for folder in (tmp_path, tmp_path / "missing", file, tmp_path.joinpath(*["deep" * 20] * 4)):
        with pytest.raises(NobodyListensError):
            await ask(folder, "status")


def test_a_long_path_is_gone_around_where_the_system_lets_us(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path.joinpath(*["a folder with a long name"] * 8)
    deep.mkdir(parents=True)
    with address.socket_path(deep) as path:
        assert len(os.fsencode(path)) <= address.SOCKET_PATH_BYTES_MAX
        (deep / "probe").write_text("here")
        assert Path(path).with_name("probe").read_text() == "here"
        assert stat.S_ISDIR(Path(path).parent.stat().st_mode)
    monkeypatch.setattr(address, "DESCRIPTORS", tmp_path / "nowhere")
    with (
        pytest.raises(address.PathTooLongError, match="shorter --data"),
        address.socket_path(deep),
    ):
        pass
