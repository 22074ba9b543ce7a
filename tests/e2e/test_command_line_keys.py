"""``parley keys``: with a server on the folder and without one, the same words."""

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from gateway.control.address import FILE_NAME
from tests.e2e.test_command_line import master_key, post, words_of
from tests.support.processes import PARLEY, Sandbox, running, sandbox


async def said_by(folder: Path, *arguments: str, data: str | None = None) -> str:
    """Run a command that succeeds; return what it prints."""
    options = ("--data", data or str(folder / "data"))
    async with running(*PARLEY, *arguments, *options, folder=folder / "command") as program:
        printed = await program.rest()
        assert await program.ended() == 0, program.stderr
        assert program.stderr == ""
    return printed


async def json_of(folder: Path, *arguments: str, data: str | None = None) -> Any:
    return json.loads(await said_by(folder, *arguments, "--json", data=data))


async def works(server: Sandbox, key: str) -> bool:
    async with server.client(key) as client:
        return await post(client) == 201


async def test_a_tenant_is_made_while_the_server_runs_and_its_keys_work_at_once(
    tmp_path: Path,
) -> None:
    async with sandbox(tmp_path) as server:
        made = await json_of(tmp_path, "keys", "workspace", "Acme & Söhne")
        assert made["name"] == "Acme & Söhne"
        assert set(made["keys"]) == {"live", "test", "workspace"}
        assert await works(server, made["keys"]["live"])
        assert await works(server, made["keys"]["test"])
        more = await json_of(
            tmp_path,
            *("keys", "create", "--workspace", made["workspace"]),
            *("--environment", "live", "--name", "the bot"),
        )
        assert more["name"] == "the bot"
        assert await works(server, more["key"])
        assert await server.program.stop() == 0
        assert more["key"] not in server.program.stderr
    again = await json_of(tmp_path, "keys", "list", "--workspace", made["workspace"])
    names = ["first live", "first test", "first workspace", "the bot"]
    assert [key["name"] for key in again["data"]] == names


async def test_a_list_is_the_same_with_a_server_and_alone_and_holds_no_secret(
    tmp_path: Path,
) -> None:
    made = await json_of(tmp_path, "keys", "workspace", "Acme")
    alone = await said_by(tmp_path, "keys", "list")
    alone_json = await json_of(tmp_path, "keys", "list")
    async with sandbox(tmp_path):
        served = await json_of(tmp_path, "keys", "list", "--workspace", made["workspace"])
    own = [key for key in served["data"] if not key["name"].startswith("sandbox")]
    assert own == alone_json["data"]
    assert {key["workspace_name"] for key in own} == {"Acme"}
    assert set(own[0]) == {
        *("id", "name", "workspace", "workspace_name", "environment", "scopes"),
        *("hint", "created_at"),
    }
    for key in made["keys"].values():
        assert key not in alone
        assert key not in json.dumps(served)
    for words in ("Acme", made["workspace"], "first live", "first test", own[0]["id"]):
        assert words in alone


async def test_a_name_is_asked_for_and_is_fit_to_print(tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    for name, words in ((["Ac\x1b[31mme"], "printable"), (["x" * 129], "128"), ([""], "length")):
        arguments = ("keys", "workspace", *name, "--data", data)
        async with running(*PARLEY, *arguments, folder=tmp_path / "refused") as program:
            assert words in await words_of(program)
    async with running(*PARLEY, "keys", "workspace", folder=tmp_path / "refused") as program:
        assert await program.ended() == 2
    assert (await json_of(tmp_path, "keys", "list"))["data"] == []


async def test_what_is_not_there_is_said_and_nothing_is_made(tmp_path: Path) -> None:
    missing = ("keys", "list", "--data", str(tmp_path / "typo"))
    async with running(*PARLEY, *missing, folder=tmp_path / "first") as program:
        assert "parley dev" in await words_of(program)
    assert not (tmp_path / "typo").exists()
    async with sandbox(tmp_path):
        for arguments in (
            ("keys", "list", "--workspace", "ws_no"),
            ("keys", "create", "--workspace", "ws_no", "--environment", "test", "--name", "n"),
        ):
            command = (*PARLEY, *arguments, "--data", str(tmp_path / "data"))
            async with running(*command, folder=tmp_path / "second") as program:
                assert "there is no workspace 'ws_no'" in await words_of(program)
        assert not (tmp_path / "data" / "ws_no").exists()


async def test_after_a_kill_the_socket_that_was_left_is_in_nobodys_way(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as server:
        await server.program.kill()
    assert (tmp_path / "data" / FILE_NAME).exists()
    assert (await json_of(tmp_path, "keys", "workspace", "Acme"))["name"] == "Acme"
    async with sandbox(tmp_path) as server:
        found = await json_of(tmp_path, "keys", "list")
        assert "Acme" in {key["workspace_name"] for key in found["data"]}
        assert await server.program.stop() == 0
    assert not (tmp_path / "data" / FILE_NAME).exists()


async def test_a_folder_with_a_long_path_has_a_socket_too(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["a folder with a long name"] * 6)
    async with sandbox(deep):
        data = str(deep / "data")
        assert (await json_of(tmp_path, "keys", "workspace", "Acme", data=data))["name"] == "Acme"


async def test_production_takes_commands_and_gives_its_keys_to_nobody(tmp_path: Path) -> None:
    key_file = master_key(tmp_path / "keys" / "master.key")
    options = ("--data", str(tmp_path / "data"), "--master-key-file", str(key_file))
    async with running(*PARLEY, "serve", *options, "--port", "0", folder=tmp_path) as server:
        await server.logged('"ready"')
        made = await json_of(tmp_path, "keys", "workspace", "Acme")
        url = next(
            json.loads(line)["url"] for line in server.stderr.splitlines() if '"ready"' in line
        )
        headers = {"Authorization": f"Bearer {made['keys']['live']}"}
        async with httpx2.AsyncClient(base_url=url, headers=headers) as client:
            assert await post(client) == 201
        tail = (*PARLEY, "tail", "--data", str(tmp_path / "data"))
        async with running(*tail, folder=tmp_path / "tail") as program:
            assert "no sandbox" in await words_of(program)
        assert await server.stop() == 0
        assert made["keys"]["live"] not in server.stderr


@pytest.mark.parametrize("command", ["keys list", "seed"])
async def test_a_store_that_forgets_is_refused(tmp_path: Path, command: str) -> None:
    arguments = (*command.split(), "--store", "memory", "--data", str(tmp_path / "data"))
    async with running(*PARLEY, *arguments, folder=tmp_path) as program:
        assert "memory" in await words_of(program)
    assert not (tmp_path / "data").exists()
