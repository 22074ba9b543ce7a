"""Conversations full of canaries, written by everybody, in every way there is."""

from dataclasses import dataclass

import httpx2

from tests.support.canaries import Canaries
from tests.support.realtime import talking
from tests.support.servers import Server
from tests.support.talk import AGENT, change, get, post


@dataclass
class Confidences:
    """A conversation full of canaries, written by everybody in every way there is."""

    server: Server
    canaries: Canaries

    OF_THE_CUSTOMER = frozenset(
        {
            *("customer", "text", "metadata", "metadata name", "edited text", "edited metadata"),
            *("redacted text", "answer", "note", "attribute", "attribute name", "tag", "channel"),
            "agent",
        }
    )
    """What is the customer's, or was said to it and of it in the conversation that it began."""

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
