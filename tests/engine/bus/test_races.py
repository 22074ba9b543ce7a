"""A follower between two clocks: the log is ahead of what it was told, and moves while it reads."""

import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.bus.follower import Follower
from engine.log.event import Event
from persistence.records import StoredRecord
from tests.support.tallies import event


class MovingLog:
    """One stream; what is stored is told later, and a read may be overtaken by both."""

    def __init__(self) -> None:
        self.stored: list[Event] = []
        self.told = 0
        self.meanwhile: list[str] = []
        self.seen: list[int] = []
        self.room = True
        self.follower = Follower(self, self._take, after=0, wake=self._wake)

    def place(self, place_of: Event | StoredRecord) -> int:
        return place_of.version

    async def read(self, *, after: int, limit: int) -> list[Event]:
        page = [one for one in self.stored if one.version > after][:limit]
        meanwhile, self.meanwhile = self.meanwhile, []
        for step in meanwhile:
            self.step(step)
        await trio.lowlevel.checkpoint()
        return page

    def step(self, step: str) -> None:
        if step == "store":
            self.stored.append(event(len(self.stored) + 1))
        elif step == "tell" and self.told < len(self.stored):
            self.told += 1
            self.follower.publish(self.stored[self.told - 1])
        elif step == "room":
            self.room = not self.room

    async def catch_up(self, meanwhile: list[str]) -> None:
        if not self.follower.live:
            self.meanwhile = meanwhile
            await self.follower.catch_up()

    def _take(self, taken: Event) -> bool:
        if self.room:
            self.seen.append(taken.version)
        return self.room

    def _wake(self) -> None: ...


SMALL = st.sampled_from(["store", "tell", "store", "tell", "room"])
STEPS = st.lists(st.one_of(SMALL, st.lists(SMALL, max_size=4)), max_size=20)


@settings(deadline=None, max_examples=300)
@given(STEPS)
def test_whatever_overtakes_a_read_every_event_comes_once(steps: list[str | list[str]]) -> None:
    trio.run(play, steps)


async def play(steps: list[str | list[str]]) -> None:
    log = MovingLog()
    for step in steps:
        if isinstance(step, list):
            await log.catch_up(step)
        else:
            log.step(step)
    await finish(log)
    assert log.seen == [one.version for one in log.stored]


async def finish(log: MovingLog) -> None:
    log.room = True
    while log.told < len(log.stored):
        log.step("tell")
    while not log.follower.live:
        await log.catch_up([])


async def test_what_is_told_during_the_last_read_is_read_next() -> None:
    log = MovingLog()
    await log.catch_up(["store", "tell"])
    assert log.follower.live is False
    await finish(log)
    assert log.seen == [1]


async def test_what_was_read_before_it_is_told_is_not_passed_on_again() -> None:
    log = MovingLog()
    log.step("store")
    await log.catch_up([])
    assert log.follower.live
    log.step("tell")
    assert log.seen == [1]
