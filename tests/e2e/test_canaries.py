"""What people have written lies in no file in plain text, while it is served and afterwards."""

from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from tests.support.canaries import Canaries, readable
from tests.support.data_folder import contents, strangers
from tests.support.realtime import talking
from tests.support.servers import Server, ServerName, serving
from tests.support.talk import AGENT, change, get, post
from tests.support.unsealing import Thief


@dataclass
class Desk:
    """A conversation full of canaries, written by everybody in every way there is."""

    server: Server
    canaries: Canaries

    @property
    def conversation(self) -> str:
        return self.canaries["conversation"]

    async def fill(self) -> None:
        async with self.server.client(self.server.tenant.live) as staff:
            await self._customer(staff)
            await self._account()
            await self._staff(staff)
            await self._fellow(staff)

    async def _customer(self, staff: httpx2.AsyncClient) -> None:
        """A customer writes, rewrites, withdraws, reads and types."""
        canaries, name = self.canaries, self.conversation
        key = await self.server.ephemeral(canaries["customer"])
        path = f"/v1/conversations/{name}"
        async with self.server.client(key) as client:
            said = await post(
                client,
                canaries["text"],
                conversation=name,
                metadata={"seen": canaries["metadata"], canaries["metadata name"]: 1},
                idempotency_key=canaries["idempotency key"],
            )
            message = f"{path}/messages/{said['id']}"
            await change(client, message, text=canaries["edited text"])
            await change(staff, message, metadata={"note": canaries["edited metadata"]})
            gone = await post(client, canaries["redacted text"], conversation=name)
            answer = await client.delete(f"{path}/messages/{gone['id']}")
            assert answer.status_code == 200, answer.text
            answer = await client.post(f"{path}/read", json={"version": 2})
            assert answer.status_code == 200, answer.text
            await get(client, f"{message}/history")
        async with talking(self.server.realtime_url, key) as talk:
            await talk.say("subscribe", ref=1, conversation=name, after=0)
            await talk.say("typing", conversation=name, state="start")
            await talk.say("presence", ref=2, conversation=name, state="online")

    async def _account(self) -> None:
        """An account writes as its user."""
        key = await self.server.ephemeral("acct_" + self.canaries["account"])
        async with self.server.client(key) as client:
            author = {"type": "user", "id": self.canaries["user of an account"]}
            await post(
                client, self.canaries["by an account"], conversation="conv_ours", author=author
            )

    async def _staff(self, staff: httpx2.AsyncClient) -> None:
        """Staff answers, leaves notes, and sorts."""
        canaries, name = self.canaries, self.conversation
        path = f"/v1/conversations/{name}"
        await post(staff, canaries["answer"], conversation=name, author=AGENT)
        await post(staff, canaries["note"], conversation=name, author=AGENT, visibility="note")
        await change(
            staff,
            path,
            attributes={"plan": canaries["attribute"], canaries["attribute name"]: True},
            tags=[canaries["tag"]],
            channel=canaries["channel"],
            assignee={"type": "agent", "id": canaries["agent"]},
        )
        body = {
            "external_id": canaries["made conversation"],
            "requester": {"type": "user", "id": canaries["requester"]},
            "idempotency_key": canaries["idempotency key of a conversation"],
        }
        answer = await staff.post("/v1/conversations", json=body)
        assert answer.status_code == 201, answer.text

    async def _fellow(self, staff: httpx2.AsyncClient) -> None:
        """Another customer is added, and opens a closed conversation again."""
        path = f"/v1/conversations/{self.conversation}"
        fellow = {"type": "user", "id": self.canaries["fellow"]}
        answer = await staff.post(f"{path}/participants", json=fellow)
        assert answer.status_code == 200, answer.text
        await change(staff, path, status="closed")
        key = await self.server.ephemeral(self.canaries["fellow"])
        async with self.server.client(key) as client:
            said = await post(
                client, self.canaries["of the fellow"], conversation=self.conversation
            )
        events = (await get(staff, f"{path}/events"))["data"]
        reopened, message = events[-2:]
        assert (reopened["type"], message["actor"]) == (
            "conversation.reopened",
            self.canaries["fellow"],
        )
        assert reopened["actor"] == said["contact_id"], "named by its id, for it is another's event"


@pytest.mark.parametrize("place", ["while it is served", "behind a clean end"])
async def test_no_canary_lies_in_plain_text_in_any_file(
    tmp_path: Path, server_name: ServerName, place: str
) -> None:
    canaries, folder = Canaries(), tmp_path / "data"
    async with serving(folder, server=server_name) as server:
        await Desk(server, canaries).fill()
        if place == "while it is served":
            assert readable(folder, canaries) == set()
            assert {"log.db-wal", "keys.db-wal"} <= {
                name.split("/")[-1] for name in contents(folder)
            }
    assert len(canaries.names) > 20
    assert readable(folder, canaries) == set()


async def test_the_search_finds_what_can_be_found(front_door: Server) -> None:
    canaries, folder = Canaries(), front_door.node.settings.data
    await Desk(front_door, canaries).fill()
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
