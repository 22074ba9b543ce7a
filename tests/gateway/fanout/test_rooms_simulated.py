"""Rooms amid everything at once, by chance: each subscriber gets each event once, in order."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from types import SimpleNamespace

import pytest
import trio
from msgspec.structs import replace
from trio.testing import wait_all_tasks_blocked

from gateway.fanout import outflow as outflow_module
from gateway.fanout import rooms as rooms_module
from gateway.fanout.feeding import LogFeeder
from gateway.fanout.outflow import OUTFLOW_SECONDS_MAX
from gateway.fanout.subscription import Subscription
from persistence.protocols.feed import Feed, OnCommitted
from persistence.records import StoredRecord
from tests.gateway.realtime.clients import Client, Hall, hall
from tests.support.disks import everything
from tests.support.tallies import Count

SEEDS, ROUNDS = 40, 120
NAMES = ("a", "b")


class Moody(Client):
    """Stops, and reads on, whenever it likes."""

    def __init__(self, chance: Random) -> None:
        super().__init__()
        self._chance = chance

    def take(self, joined: bytes, frames: Sequence[bytes]) -> bool:
        if self.room and self._chance.random() < 0.15:
            self.stops()
        return super().take(joined, frames)


class ForgetfulFeed:
    """A feed that tells some records without their events, as after a commit of unknown outcome."""

    def __init__(self, feed: Feed, chance: Random) -> None:
        self._feed = feed
        self._chance = chance
        self.read_feed = feed.read_feed
        self.committed = feed.committed

    def listen(self, on_committed: OnCommitted) -> Callable[[], None]:
        def heard(records: tuple[StoredRecord, ...]) -> None:
            if self._chance.random() < 0.05:
                records = tuple(replace(record, note=None) for record in records)
            on_committed(records)

        return self._feed.listen(heard)


@dataclass
class Follower:
    """One subscription, and where it began."""

    client: Moody
    stream: str | None
    after: int
    subscription: Subscription
    left: bool = False


@dataclass
class Simulation:
    """Everything that happens, drawn from one seed."""

    hall: Hall
    chance: Random
    followers: list[Follower] = field(default_factory=list)

    async def round(self) -> None:
        steps = (self.write, self.write, self.join, self.read_on, self.leave, self.flush, self.wait)
        await self.chance.choice(steps)()

    async def write(self) -> None:
        times = self.chance.choice((1, 1, 2, 5))
        self.hall.tallies.tell(Count("x", times=times), name=self.chance.choice(NAMES))

    async def join(self) -> None:
        """Follow from a random place; sometimes it is known that nothing is newer."""
        stream = self.chance.choice((*NAMES, None))
        client = Moody(self.chance)
        room = self.hall.rooms.hold(self.hall.name_of(stream))
        head = await self.hall.head(stream)
        after = head if self.chance.random() < 0.5 else self.chance.randint(0, head)
        known = head if self.chance.random() < 0.5 else None
        subscription = Subscription(
            rooms=self.hall.rooms,
            room=room,
            outlet=client,
            feeder=LogFeeder(client, self.hall.errands),
            after=after,
            lost=never,
        )
        subscription.begin(head=known)
        self.followers.append(Follower(client, stream, after, subscription))

    async def read_on(self) -> None:
        for follower in self.followers:
            if self.chance.random() < 0.5:
                follower.client.reads()

    async def leave(self) -> None:
        staying = [one for one in self.followers if not one.left]
        if len(staying) > 4:
            follower = self.chance.choice(staying)
            follower.left = True
            follower.subscription.end()
            follower.client.leave()

    async def flush(self) -> None:
        self.hall.outflow.flush()

    async def wait(self) -> None:
        for _ in range(self.chance.randint(1, 12)):
            await trio.lowlevel.checkpoint()

    async def finish(self) -> None:
        """Let everybody read everything."""
        while True:
            for follower in self.followers:
                follower.client.reads()
            await wait_all_tasks_blocked()
            if all(one.left or one.subscription.live for one in self.followers):
                return


def never(stream: object, version: int) -> None:
    pytest.fail(f"lost {stream} at {version}")


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_every_subscriber_gets_every_event_once_and_in_order(
    monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    print("seed", seed)  # noqa: T201 - shown when it fails
    chance = Random(seed)
    now = [0.0]

    def perf_counter() -> float:
        now[0] += OUTFLOW_SECONDS_MAX * chance.choice((0, 0, 2))
        return now[0]

    monkeypatch.setattr(outflow_module, "time", SimpleNamespace(perf_counter=perf_counter))
    monkeypatch.setattr(rooms_module, "STEP_MEMBERS", 2)
    monkeypatch.setattr(rooms_module, "HOLD_MEMBERS", 2)
    async with hall(feed=lambda feed: ForgetfulFeed(feed, chance)) as h:
        simulation = Simulation(h, chance)
        for _ in range(ROUNDS):
            await simulation.round()
        await simulation.finish()
        records = await everything(h.tallies.store)
        for follower in simulation.followers:
            mine = [
                (record.stream.name, record.version)
                for record in records
                if follower.stream in {None, record.stream.name}
            ][follower.after :]
            heard = follower.client.heard
            assert heard == (mine[: len(heard)] if follower.left else mine)
        for follower in simulation.followers:
            follower.subscription.end()
        assert len(h.rooms) == 0
