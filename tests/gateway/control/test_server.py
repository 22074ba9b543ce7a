"""The control socket: who may speak on it, how much, and for how long."""

import os
import stat
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from gateway.control.address import FILE_NAME
from gateway.control.client import ask
from gateway.control.context import Context, OnProgress
from gateway.control.errors import CommandError, NobodyListensError
from gateway.control.status import Nothing
from gateway.limits import (
    CONTROL_CONNECTIONS_MAX,
    CONTROL_REQUEST_BYTES_MAX,
    CONTROL_REQUEST_SECONDS,
)
from persistence.memory import MemoryStores
from tests.gateway.control.desks import lines_of, listening
from tests.support.faults import FaultyStores

STATUS = b'{"command":"status"}\n'


async def is_well(data: Path) -> bool:
    return bool((await ask(data, "status"))["pid"] == os.getpid())


async def test_one_request_gets_one_result_and_the_end(tmp_path: Path) -> None:
    async with listening(tmp_path) as desk:
        (line,) = await desk.lines(STATUS)
    assert line["line"] == "result"
    assert line["value"]["pid"] == os.getpid()
    assert line["value"]["url"] == "http://127.0.0.1:1"


async def test_the_socket_is_its_owners_alone_and_goes_with_the_server(tmp_path: Path) -> None:
    file = tmp_path / FILE_NAME
    async with listening(tmp_path):
        assert stat.S_ISSOCK(file.stat().st_mode)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not file.exists()
    with pytest.raises(NobodyListensError):
        await ask(tmp_path, "status")


async def test_the_mode_does_not_wait_for_a_chmod(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes: list[int] = []
    real = os.umask

    def spy(mask: int) -> int:
        file = tmp_path / FILE_NAME
        if file.exists():
            modes.append(stat.S_IMODE(file.stat().st_mode))
        return real(mask)

    monkeypatch.setattr(os, "umask", spy)
    async with listening(tmp_path):
        pass
    assert modes == [0o600]


async def test_a_socket_that_was_left_behind_is_replaced(tmp_path: Path) -> None:
    async with listening(tmp_path) as desk:
        (tmp_path / "kept").hardlink_to(tmp_path / FILE_NAME)
        desk.stopping.set()
    (tmp_path / "kept").rename(tmp_path / FILE_NAME)
    with pytest.raises(NobodyListensError):
        await ask(tmp_path, "status")
    async with listening(tmp_path):
        assert await is_well(tmp_path)


async def test_another_servers_socket_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / FILE_NAME
    async with listening(tmp_path):
        file.unlink()
        file.write_text("another's")
    assert file.read_text() == "another's"


async def test_a_folder_of_any_depth_is_served(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["a folder with a long name"] * 8)
    assert len(str(deep)) > 200
    async with listening(deep):
        assert await is_well(deep)
    assert not (deep / FILE_NAME).exists()


async def test_another_user_is_refused(tmp_path: Path) -> None:
    async with listening(tmp_path, uids=frozenset({os.geteuid() + 1})) as desk:
        (line,) = await desk.lines(STATUS)
    assert (line["line"], line["code"]) == ("problem", "forbidden")


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"hello\n", "malformed_json"),
        (b"\xff\xfe\n", "malformed_json"),
        (b"[" * 5000 + b"\n", "malformed_json"),
        (b'{"command":"status","more":1}\n', "malformed_json"),
        (b'{"command":"no.such"}\n', "not_found"),
        (b'{"command":"status","arguments":{"more":1}}\n', "invalid"),
        (b'{"command":"keys.create","arguments":{"workspace":"ws_1"}}\n', "invalid"),
        (STATUS + STATUS, "invalid"),
        (b"x" * (CONTROL_REQUEST_BYTES_MAX + 1), "invalid"),
    ],
)
async def test_what_is_no_request_is_refused_and_harms_nobody(
    tmp_path: Path, sent: bytes, code: str
) -> None:
    async with listening(tmp_path) as desk:
        (line,) = await desk.lines(sent)
        assert (line["line"], line["code"]) == ("problem", code)
        assert await is_well(tmp_path)


async def test_too_much_is_refused_before_it_has_all_come(tmp_path: Path) -> None:
    async with listening(tmp_path) as desk:
        with trio.fail_after(CONTROL_REQUEST_SECONDS / 2):
            (line,) = await desk.lines(b"x" * (CONTROL_REQUEST_BYTES_MAX + 1))
    assert line["code"] == "invalid"


async def test_a_client_that_leaves_in_the_middle_harms_nobody(tmp_path: Path) -> None:
    async with listening(tmp_path) as desk:
        for sent in (b"", b'{"comm', STATUS):
            stream = await desk.connect()
            await stream.send_all(sent)
            await trio.aclose_forcefully(stream)
        assert await is_well(tmp_path)


async def test_a_client_that_says_nothing_is_let_go(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    del autojump_clock
    async with listening(tmp_path) as desk, await desk.connect() as stream:
        await stream.send_all(b'{"command":')
        (line,) = await lines_of(stream)
    assert (line["line"], line["code"]) == ("problem", "invalid")


async def test_a_command_too_many_is_told_to_come_again(tmp_path: Path) -> None:
    async with listening(tmp_path) as desk:
        waiting = [await desk.connect() for _ in range(CONTROL_CONNECTIONS_MAX)]
        await wait_all_tasks_blocked()
        with pytest.raises(CommandError) as refused:
            await ask(tmp_path, "status")
        assert refused.value.code == "overloaded"
        await waiting[0].aclose()
        await wait_all_tasks_blocked(0.01)
        assert await is_well(tmp_path)
        for stream in waiting:
            await stream.aclose()


def table_of(handler: object) -> dict[str, object]:
    """Return a table of commands in which ``status`` is carried out by ``handler``."""
    return {"status": type("Planted", (), {"arguments": Nothing, "handler": handler})}


async def test_a_command_that_is_waiting_ends_when_its_client_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, ended = trio.Event(), trio.Event()

    async def waits(context: Context, asked: object, progress: OnProgress) -> None:
        del context, asked, progress
        begun.set()
        try:
            await trio.sleep_forever()
        finally:
            ended.set()

    monkeypatch.setattr("gateway.control.commands.COMMANDS", table_of(waits))
    async with listening(tmp_path) as desk:
        with trio.fail_after(10):
            async with await desk.connect() as stream:
                await stream.send_all(STATUS)
                await begun.wait()
            await ended.wait()


async def test_a_command_that_fails_is_told_so_without_its_reasons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(context: Context, asked: object, progress: OnProgress) -> None:
        del context, asked, progress
        await trio.lowlevel.checkpoint()
        message = "the secret reason"
        raise ValueError(message)

    monkeypatch.setattr("gateway.control.commands.COMMANDS", table_of(broken))
    async with listening(tmp_path):
        with pytest.raises(CommandError) as failed:
            await ask(tmp_path, "status")
    assert failed.value.code == "internal"
    assert "secret reason" not in str(failed.value)


async def test_a_store_that_does_not_answer_is_told_as_such(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stores = FaultyStores(MemoryStores())
    async with listening(tmp_path, stores=stores) as desk:
        workspace = await desk.engine.create_workspace("Acme")
        await desk.engine.environment(workspace, "test")
        stores.failing.add("read")
        with pytest.raises(CommandError) as failed:
            await ask(tmp_path, "seed", {"rng": 1, "conversations": 40, "messages": 2})
        stores.failing.clear()
    assert failed.value.code == "storage_unavailable"
    assert "Traceback" not in caplog.text


async def test_the_key_of_a_sandbox_is_given_and_of_production_none(tmp_path: Path) -> None:
    async with listening(tmp_path, sandbox_key="sk_test_x"):
        found = await ask(tmp_path, "sandbox")
        assert found == {"url": "http://127.0.0.1:1", "secret_key": "sk_test_x"}
        assert "sk_test_x" not in str(await ask(tmp_path, "status"))
    async with listening(tmp_path):
        with pytest.raises(CommandError) as refused:
            await ask(tmp_path, "sandbox")
        assert refused.value.code == "not_found"


async def test_a_command_whose_client_leaves_is_cancelled(tmp_path: Path) -> None:
    async with listening(tmp_path) as desk:
        workspace = await desk.engine.create_workspace("Acme")
        told = trio.Event()

        async def progress(done: int, total: int) -> None:
            del done, total
            await trio.lowlevel.checkpoint()
            told.set()

        arguments = {"rng": 1, "conversations": 5_000, "messages": 20}
        async with trio.open_nursery() as nursery:

            async def seed() -> None:
                await ask(tmp_path, "seed", arguments, progress=progress)

            nursery.start_soon(seed)
            with trio.fail_after(10):
                await told.wait()
            nursery.cancel_scope.cancel()
        await wait_all_tasks_blocked(0.05)
        test = await desk.engine.environment(workspace, "test")
        written = test.log.committed()
        assert 0 < written < 20_000
        await wait_all_tasks_blocked(0.05)
        assert test.log.committed() == written
