"""What people have written lies in no file in plain text, while it is served and afterwards."""

from pathlib import Path

import pytest

from tests.support.canaries import Canaries, readable
from tests.support.confidences import Confidences
from tests.support.data_folder import contents, strangers
from tests.support.servers import Server, ServerName, serving
from tests.support.talk import get
from tests.support.unsealing import Thief


@pytest.mark.parametrize("place", ["while it is served", "behind a clean end"])
async def test_no_canary_lies_in_plain_text_in_any_file(
    tmp_path: Path, server_name: ServerName, place: str
) -> None:
    canaries, folder = Canaries(), tmp_path / "data"
    async with serving(folder, server=server_name) as server:
        await Confidences(server, canaries).fill()
        if place == "while it is served":
            assert readable(folder, canaries) == set()
            assert {"log.db-wal", "keys.db-wal"} <= {
                name.split("/")[-1] for name in contents(folder)
            }
    assert len(canaries.names) > 20
    assert readable(folder, canaries) == set()


async def test_the_search_finds_what_can_be_found(front_door: Server) -> None:
    canaries, folder = Canaries(), front_door.node.settings.data
    await Confidences(front_door, canaries).fill()
    thief = Thief(folder, front_door.node.master_key)
    seen: set[str] = set()
    for plain in thief.plain():
        seen |= canaries.in_bytes(plain)
    hashed = {name for name in canaries.names if name.startswith("idempotency key")}
    assert seen == set(canaries.names) - hashed
    async with front_door.client(front_door.tenant.live) as staff:
        name = canaries["conversation"]
        contact = (await get(staff, f"/v1/conversations/{name}/messages"))["data"][0]["contact_id"]
    assert {file.split("/")[-1] for file, _ in thief.carved(contact)} == {"keys.db-wal"}


async def test_a_file_that_nobody_has_named_is_seen(front_door: Server) -> None:
    folder = front_door.node.settings.data
    live = folder / front_door.tenant.workspace / "workspace"
    for stranger in (folder / "notes.txt", live / "cache.db", live / "log.db-journal"):
        stranger.write_bytes(b"")
        assert strangers(folder) == [stranger.relative_to(folder).as_posix()]
        with pytest.raises(AssertionError, match="not searched"):
            readable(folder, Canaries())
        stranger.unlink()
