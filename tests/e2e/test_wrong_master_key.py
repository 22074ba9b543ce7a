"""Data is served with the master key it was made with, and with no other."""

import base64
import secrets
from pathlib import Path

import pytest

from tests.support.processes import PARLEY, running


def master_key(path: Path) -> Path:
    path.write_bytes(base64.b64encode(secrets.token_bytes(32)) + b"\n")
    path.chmod(0o600)
    return path


def options(folder: Path, key: Path) -> tuple[str, ...]:
    return ("--data", str(folder / "data"), "--master-key-file", str(key))


@pytest.mark.parametrize("command", [("serve", "--port", "0"), ("keys", "workspace", "Acme")])
async def test_another_master_key_is_refused_in_one_clear_line(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    right, wrong = master_key(tmp_path / "right.key"), master_key(tmp_path / "wrong.key")
    arguments = (*PARLEY, "keys", "workspace", "Acme", *options(tmp_path, right))
    async with running(*arguments, folder=tmp_path / "first") as first:
        assert await first.ended() == 0
        (workspace,) = [word for word in (await first.rest()).split() if word.startswith("ws_")]
    arguments = (*PARLEY, *command, *options(tmp_path, wrong))
    async with running(*arguments, folder=tmp_path / "second") as second:
        assert await second.ended() == 1
        assert await second.rest() == ""
        said = second.stderr
    assert "Traceback" not in said
    assert said.splitlines()[-1] == (
        f"parley: the master key does not open the workspace {workspace}"
    )
