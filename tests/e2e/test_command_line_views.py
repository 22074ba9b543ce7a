"""``parley views``: with a server on the folder and without one."""

from pathlib import Path
from typing import Any

from tests.e2e.test_command_line_keys import json_of, said_by
from tests.support.processes import PARLEY, Sandbox, running, sandbox

FEW = ("seed", "--conversations", "6", "--messages", "4", "--quiet")


def of_test(found: Any) -> dict[str, Any]:
    return {one["name"]: one for one in found["data"] if one["environment"] == "test"}


async def listed(server: Sandbox) -> tuple[list[str], str]:
    async with server.client() as client:
        answer = await client.get("/v1/conversations", params={"limit": 200})
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["data"]], answer.headers["Parley-As-Of"]


async def test_views_are_listed_and_rebuilt_while_the_server_runs(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as server:
        await said_by(tmp_path, *FEW)
        before = await listed(server)
        assert len(before[0]) == 6
        kept = of_test(await json_of(tmp_path, "views", "list"))
        assert set(kept) == {"conversations", "accounts"}
        view = kept["conversations"]
        assert (view["schema"], view["lag"], view["stopped"]) == (1, 0, False)
        assert view["position"] > 12
        built = await json_of(tmp_path, "views", "rebuild", "conversations", "--quiet")
        assert of_test(built) == {"conversations": view}
        assert await listed(server) == before
        await said_by(tmp_path, *FEW, "--rng", "2")
        assert len((await listed(server))[0]) == 12


async def test_views_are_rebuilt_without_a_server_and_may_be_deleted(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as server:
        await said_by(tmp_path, *FEW)
        before = await listed(server)
        assert await server.program.stop() == 0
    files = sorted((tmp_path / "data").glob("*/test/views/*"))
    assert [file.name for file in files] == ["accounts@1.db", "conversations@1.db"]
    await said_by(tmp_path, "views", "rebuild", "--quiet")
    assert sorted((tmp_path / "data").glob("*/test/views/*")) == files
    for file in files:
        file.unlink()
    async with sandbox(tmp_path) as server:
        assert await listed(server) == before


async def test_a_view_there_is_none_of_is_refused(tmp_path: Path) -> None:
    async with sandbox(tmp_path):
        options = ("--data", str(tmp_path / "data"))
        command = ("views", "rebuild", "nonsense")
        async with running(*PARLEY, *command, *options, folder=tmp_path / "command") as program:
            assert await program.rest() == ""
            assert await program.ended() == 1
        assert "there is no view 'nonsense'; there are accounts, conversations" in program.stderr
