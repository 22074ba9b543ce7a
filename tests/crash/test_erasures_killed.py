"""A server is killed amid an erasure: the next one does the rest before anybody reads."""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from gateway import master_key
from tests.crash.killed import ERASING
from tests.support.canaries import Canaries, readable
from tests.support.erasing import ERASURES
from tests.support.processes import Sandbox, running, sandbox
from tests.support.streams import NDJSON, following
from tests.support.unsealing import Thief

SAYS_NOTHING = "before the ledger says that it is to be"
MESSAGES = "/v1/conversations/conv_1/messages"


@asynccontextmanager
async def dying(folder: Path, place: str) -> AsyncIterator[Sandbox]:
    """Run a sandbox that kills itself at ``place``."""
    command = (sys.executable, "-m", "tests.crash.killed", place, "dev")
    options = ("--json", "--port", "0", "--data", str(folder / "data"), "--no-seed")
    async with running(*command, *options, folder=folder) as program:
        yield Sandbox(program, json.loads(await program.line()))


async def erase(server: Sandbox) -> httpx2.Response:
    body = {"environment": "test", "subject": "usr_45", "idempotency_key": "once"}
    async with server.client(server.ready["admin_key"]) as admin:
        return await admin.post(ERASURES, json=body)


async def told(client: httpx2.AsyncClient) -> list[dict[str, Any]]:
    """Return every ``subject.erased`` up to now."""
    last = (await client.post("/v1/conversations/conv_end/messages", json={"text": "."})).json()
    found = []
    async with following(client, "/v1/events/stream", NDJSON, since="now-1h") as events:
        while (event := (await events.take(1))[0])["id"] != last["event_id"]:
            found.append(event)
    return [event for event in found if event["type"] == "subject.erased"]


@pytest.mark.parametrize("place", ERASING)
async def test_an_erasure_that_was_begun_is_done_by_the_next_start(
    tmp_path: Path, place: str
) -> None:
    canaries, folder = Canaries(), tmp_path / "data"
    async with dying(tmp_path, place) as server:
        body = {"text": canaries["text"], "author": {"type": "user", "id": "usr_45"}}
        async with server.client() as staff:
            said = (await staff.post(MESSAGES, json=body)).json()
        with pytest.raises(httpx2.TransportError):
            await erase(server)
        await server.program.ended()
    thief = Thief(folder, master_key.read(folder / "master.key"))
    async with sandbox(tmp_path) as server:
        was_begun = place != SAYS_NOTHING
        assert can_be_read(thief, canaries) != was_begun, "before anybody has asked for anything"
        async with server.client() as staff:
            message = (await staff.get(f"{MESSAGES}/{said['id']}")).json()
            assert message["text"] == ("" if was_begun else canaries["text"])
            assert len(await told(staff)) == was_begun, "and told, though nobody has asked again"
            receipt = (await erase(server)).json()
            assert receipt["subject"] == said["contact_id"]
            assert (await staff.get(f"{MESSAGES}/{said['id']}")).json()["redacted"] is True
            assert [event["data"]["id"] for event in await told(staff)] == [receipt["id"]]
        assert (await erase(server)).json() == receipt
        assert thief.carved(said["contact_id"]) == set()
        assert not can_be_read(thief, canaries)
        assert await server.program.stop() == 0
    assert readable(folder, canaries) == set()
    lines = (folder / server.ready["workspace"] / "test/erasures.ledger").read_bytes().splitlines()
    assert [json.loads(line[9:])["entry"] for line in lines] == ["begun", "done"]


def can_be_read(thief: Thief, canaries: Canaries) -> bool:
    return any(canaries.in_bytes(plain) for plain in thief.plain())
