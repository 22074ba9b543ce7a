"""Another master key, while the server goes on."""

from pathlib import Path

from gateway import master_key
from tests.e2e.test_command_line_keys import json_of, works
from tests.support.data_folder import contents
from tests.support.processes import PARLEY, running, sandbox
from tests.support.talk import MESSAGES
from tests.support.unsealing import Thief


async def test_a_rotation_stops_nobody_and_seals_nothing_anew(tmp_path: Path) -> None:
    folder, new = tmp_path / "data", tmp_path / "new.key"
    other = master_key.read_or_make(tmp_path / "made")
    (tmp_path / "made" / "master.key").rename(new)
    async with sandbox(tmp_path) as server:
        tenant = await json_of(tmp_path, "keys", "workspace", "Acme")
        async with server.client(tenant["keys"]["live"]) as staff:
            written = (await staff.post(MESSAGES, json={"text": "before"})).json()
            old = master_key.read(folder / "master.key")
            before = everything(Thief(folder, old))
            rotated = await json_of(tmp_path, "keys", "rotate-master", "--new-key-file", str(new))
            assert rotated == {"workspaces": 2, "master_key_file": str(new)}
            assert everything(Thief(folder, other)) == before, "no record, no key was changed"
            assert (await staff.post(MESSAGES, json={"text": "after"})).status_code == 201
            assert await works(server, tenant["keys"]["live"])
            made = await json_of(tmp_path, "keys", "workspace", "Globex")
            assert await works(server, made["keys"]["test"])
        assert await server.program.stop() == 0
    options = ("--master-key-file", str(new))
    async with (
        sandbox(tmp_path, *options) as server,
        server.client(tenant["keys"]["live"]) as staff,
    ):
        assert (await staff.get(f"{MESSAGES}/{written['id']}")).json()["text"] == "before"
        assert await works(server, made["keys"]["test"])
    await refused(tmp_path, "does not open the workspace")


def everything(thief: Thief) -> tuple[set[bytes], set[tuple[str, str]]]:
    """Return what the master key opens."""
    return set(thief.plain()), thief.names()


async def refused(folder: Path, words: str) -> None:
    command = (*PARLEY, "keys", "list", "--data", str(folder / "data"))
    async with running(*command, folder=folder / "refused") as program:
        assert await program.ended() == 1
        assert words in program.stderr


async def test_a_file_that_holds_no_new_key_changes_nothing(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as server:
        own, bad, wide = tmp_path / "data/master.key", tmp_path / "bad.key", tmp_path / "wide.key"
        bad.write_text("no key")
        bad.chmod(0o600)
        wide.write_bytes(own.read_bytes())
        wide.chmod(0o644)
        before = set(contents(tmp_path / "data"))
        for file, words in (
            (own, "the master key already"),
            (bad, "32 bytes"),
            (wide, "chmod 600"),
            (tmp_path / "none.key", "cannot be read"),
        ):
            options = ("--new-key-file", str(file), "--data", str(tmp_path / "data"))
            command = (*PARLEY, "keys", "rotate-master", *options)
            async with running(*command, folder=tmp_path / "command") as program:
                assert await program.ended() == 1
                assert words in program.stderr
                assert "Traceback" not in program.stderr
        assert set(contents(tmp_path / "data")) == before
        assert await works(server, server.key)
