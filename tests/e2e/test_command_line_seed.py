"""``parley seed``: many conversations, once, however often it is called and stopped."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_command_line import words_of
from tests.support.processes import PARLEY, Program, Sandbox, running, sandbox

SMALL = ("seed", "--conversations", "4", "--messages", "6", "--rng", "3")


async def done_by(program: Program) -> Any:
    printed = await program.rest()
    assert await program.ended() == 0, program.stderr
    return json.loads(printed)


async def seeded(folder: Path, *arguments: str) -> Any:
    command = (*PARLEY, *arguments, "--json", "--data", str(folder / "data"))
    async with running(*command, folder=folder / "command") as program:
        return await done_by(program)


async def texts_of(server: Sandbox, conversation: str) -> list[str]:
    async with server.client() as client:
        answer = await client.get(f"/v1/conversations/{conversation}/messages?limit=200")
    return [message["text"] for message in answer.json()["data"]]


async def test_two_machines_get_the_same_words_and_a_second_time_adds_nothing(
    tmp_path: Path,
) -> None:
    found: list[dict[str, list[str]]] = []
    for machine in ("one", "two"):
        async with sandbox(tmp_path / machine) as server:
            first = await seeded(tmp_path / machine, *SMALL)
            assert first["written"] == first["messages"] > 8
            again = await seeded(tmp_path / machine, *SMALL)
            assert (again["written"], again["messages"]) == (0, first["messages"])
            names = [f"conv_seed_3_{number:05d}" for number in range(1, 5)]
            found.append({name: await texts_of(server, name) for name in names})
    assert found[0] == found[1]
    assert sum(map(len, found[0].values())) > 8


async def test_it_works_alone_and_the_server_sees_what_it_wrote(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as server:
        assert await server.program.stop() == 0
    first = await seeded(tmp_path, *SMALL)
    assert first["written"] == first["messages"]
    async with sandbox(tmp_path) as server:
        assert await texts_of(server, "conv_seed_3_00001") != []
        assert (await seeded(tmp_path, *SMALL))["written"] == 0


@pytest.mark.parametrize("alone", [False, True])
async def test_ctrl_c_leaves_what_was_written_and_the_next_run_finishes(
    tmp_path: Path, *, alone: bool
) -> None:
    many = ("seed", "--conversations", "1000", "--messages", "12")
    async with sandbox(tmp_path) as server:
        if alone:
            assert await server.program.stop() == 0
        command = (*PARLEY, *many, "--data", str(tmp_path / "data"))
        async with running(*command, folder=tmp_path / "stopped") as program:
            await program.logged("messages")
            program.process.send_signal(signal.SIGINT)
            assert await program.ended() == 130
            assert "The same command writes the rest" in program.stderr
            assert "Traceback" not in program.stderr
        rest = await seeded(tmp_path, *many, "--quiet")
        assert 0 < rest["written"] < rest["messages"]
        assert (await seeded(tmp_path, *many))["written"] == 0
        if not alone:
            assert await server.program.stop() == 0
        assert "Traceback" not in server.program.stderr


async def test_progress_is_told_on_stderr_unless_it_is_to_be_quiet(tmp_path: Path) -> None:
    async with sandbox(tmp_path):
        for quiet, lines in (((), True), (("--quiet",), False)):
            command = (*PARLEY, *SMALL, *quiet, "--data", str(tmp_path / "data"))
            async with running(*command, folder=tmp_path / "command") as program:
                printed = await program.rest()
                assert await program.ended() == 0
                assert ("messages" in program.stderr) is lines
                assert bool(printed) is lines


async def test_live_is_seeded_only_by_those_who_say_yes(tmp_path: Path) -> None:
    async with sandbox(tmp_path):
        data = ("--data", str(tmp_path / "data"))
        command = (*PARLEY, *SMALL, "--environment", "live", *data)
        async with running(*command, folder=tmp_path / "refused") as program:
            assert "--environment live --yes" in await words_of(program)
        settings = {"PARLEY_YES": "1", "PARLEY_ENVIRONMENT": "live"}
        plain = (*PARLEY, *SMALL, "--json", *data)
        async with running(*plain, folder=tmp_path / "test", settings=settings) as program:
            assert (await done_by(program))["environment"] == "test"
        meant = await seeded(tmp_path, *SMALL, "--environment", "live", "--yes")
        assert meant["environment"] == "live"
        assert meant["written"] == meant["messages"]
