"""A rotation of the master key is killed: one of the two keys opens everything, and ends it."""

import base64
import secrets
import sys
from pathlib import Path

import pytest

from tests.crash.killed import ROTATING
from tests.support.processes import PARLEY, running

OPENED_BY = {
    "before the first copy": {"old"},
    "amid the copies": {"old"},
    "behind the copies": {"old", "new"},
    "amid a replacement": {"new"},
    "amid the replacements": {"new"},
    "behind the replacements": {"new"},
}


def master_key(path: Path) -> Path:
    path.write_bytes(base64.b64encode(secrets.token_bytes(32)) + b"\n")
    path.chmod(0o600)
    return path


async def said(folder: Path, *command: str, key: str) -> tuple[int, str]:
    """Run a command on the folder with one of the keys; return its status and what it says."""
    options = ("--data", str(folder / "data"), "--master-key-file", str(folder / f"{key}.key"))
    async with running(*command, *options, folder=folder / "command") as program:
        printed = await program.rest()
        return await program.ended(), printed + program.stderr


@pytest.mark.parametrize(
    ("place", "first"),
    [
        (place, key)
        for place in ROTATING
        for key in ("old", "new")
        if key not in OPENED_BY[place] or len(OPENED_BY[place]) == 2
    ],
)
async def test_one_of_the_two_keys_opens_everything_and_the_other_says_that_it_does_not(
    tmp_path: Path, place: str, first: str
) -> None:
    names = {name: master_key(tmp_path / f"{name}.key") for name in ("old", "new")}
    for workspace in ("Acme", "Globex"):
        status, words = await said(tmp_path, *PARLEY, "keys", "workspace", workspace, key="old")
        assert status == 0, words
    rotate = ("keys", "rotate-master", "--new-key-file", str(names["new"]))
    killed = (sys.executable, "-m", "tests.crash.killed", place)
    assert (await said(tmp_path, *killed, *rotate, key="old"))[0] != 0

    other = "new" if first == "old" else "old"
    opening = OPENED_BY[place]
    settled = first if first in opening else other
    for key in (first, settled):
        status, words = await said(tmp_path, *PARLEY, "keys", "list", key=key)
        if key in opening:
            assert status == 0, words
            assert "Acme" in words
            assert "Globex" in words
        else:
            assert status == 1
            assert "the master key does not open the workspace" in words
            assert "Traceback" not in words
    status, words = await said(
        tmp_path, *PARLEY, "keys", "list", key="new" if settled == "old" else "old"
    )
    assert status == 1, "what the start has ended leaves the other key nothing to open"
    if settled == "old":
        status, words = await said(tmp_path, *PARLEY, *rotate, key="old")
        assert status == 0, words
        assert (await said(tmp_path, *PARLEY, "keys", "list", key="new"))[0] == 0
