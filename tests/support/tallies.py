"""The smallest kind of actor, on a real log in memory whose commits a test can hold."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any, ClassVar

import trio

from engine.actor.kind import Kind, StreamState, form_of
from engine.actor.outcome import Accepted, Envelope, Origin, Outcome
from engine.actor.registry import Registry
from engine.actor.snapshots import Snapshots
from engine.actor.watchdog import Watchdog
from engine.bus.bus import Bus
from engine.errors import ConflictError, ParleyError
from engine.feature import Payload
from engine.log.event import Event
from engine.log.keyring import Keyring
from engine.log.log import EventWrite, Log, OnDone
from persistence.protocols.store import Store
from persistence.records import Stream
from tests.support.disks import Disk, MemoryDisk, running

KEY = bytes(32)
NOW_MS = 1_700_000_000_000
FOR_EVER = "a text that is never done with"


class Counted(Payload, frozen=True):
    """Something was counted."""

    type_name: ClassVar[str] = "tally.counted"

    text: str
    subject: str


@dataclass(slots=True)
class TallyState(StreamState):
    """The texts that were counted, oldest first."""

    texts: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Count:
    """Count a text, once or several times, sealed with the key of ``subject``."""

    text: str
    subject: str = "somebody"
    times: int = 1
    expected_version: int | None = None
    fails: bool = False
    decides_for_ever: bool = False
    applies_for_ever: bool = False


def decide(state: TallyState, command: Count) -> tuple[Payload, ...]:
    if command.fails:
        message = f"a fault in the rules, at {len(state.texts)}"
        raise RuntimeError(message)
    while command.decides_for_ever:
        pass
    if command.applies_for_ever:
        return (Counted(FOR_EVER, command.subject),)
    if command.expected_version is not None and command.expected_version != state.version:
        message = f"the tally is at {state.version}"
        raise ConflictError(message)
    return tuple(Counted(command.text, command.subject) for _ in range(command.times))


def apply(state: TallyState, event: Event) -> None:
    while event.payload.text == FOR_EVER:
        pass
    state.texts.append(event.payload.text)


def subject(_: TallyState, payload: Payload) -> str:
    return str(getattr(payload, "subject", ""))


def nothing_hidden(_: Payload) -> bool:
    return False


TALLY = Kind(
    "tally",
    TallyState,
    decide,
    apply,
    subject,
    nothing_hidden,
    form_of(TallyState, schema=1, owner=lambda state: state.name),
)
CATALOGUE: dict[str, type[Payload]] = {Counted.type_name: Counted}


def tally(name: str = "a") -> Stream:
    return Stream("tally", name)


def key(name: str, fingerprint: str = "body") -> Origin:
    """Return the origin of a command with an idempotency key."""
    return Origin("key_1", name.encode().ljust(16), fingerprint.encode().ljust(16))


class Asked:
    """A command that was told, and what was answered."""

    def __init__(self) -> None:
        self.answers: list[Outcome | ParleyError] = []

    def reply(self, outcome: Outcome | ParleyError) -> None:
        self.answers.append(outcome)

    @property
    def answer(self) -> Outcome | ParleyError | None:
        """The one answer; ``None`` while there is none."""
        assert len(self.answers) <= 1, "a command was answered twice"
        return self.answers[0] if self.answers else None

    @property
    def versions(self) -> list[int]:
        """The versions of the events that were accepted."""
        assert isinstance(self.answer, Accepted), self.answer
        return [event.version for event in self.answer.events]


class NotingLog(Log):
    """A log that notes how many events each submit had, and how much was read."""

    submits: list[int]
    events_read = 0
    pages_read = 0

    async def read(self, stream: Stream, **bounds: Any) -> list[Event]:
        page = await super().read(stream, **bounds)
        self.events_read += len(page)
        self.pages_read += 1
        return page

    def submit(self, writes: Sequence[EventWrite], on_done: OnDone) -> None:
        self.submits.append(sum(len(write.events) for write in writes))
        super().submit(writes, on_done)


class Tallies:
    """A registry of tallies over a log, with all that a test wants to look at."""

    def __init__(self, disk: Disk, store: Store, *, live_actors_max: int) -> None:
        self.disk = disk
        self.store = store
        self.now_ms = NOW_MS
        self.keyring = Keyring(store.subject_keys, wrapping_key=KEY)
        self.log = NotingLog(
            store.log,
            store.feed,
            keyring=self.keyring,
            environment="acme/live",
            catalogue=CATALOGUE,
            cursor_key=KEY,
        )
        self.log.submits = []
        self.bus = Bus(store.feed, self.log)
        self.snapshots = Snapshots(store.snapshots, keyring=self.keyring, environment="acme/live")
        self.watchdog = Watchdog()
        self.registry = Registry(
            {"tally": TALLY},
            self.log,
            snapshots=self.snapshots,
            watchdog=self.watchdog,
            now_ms=self._now,
            live_actors_max=live_actors_max,
        )

    def tell(
        self, command: Any, origin: Origin | None = None, *, name: str = "a", size: int = 256
    ) -> Asked:
        asked = Asked()
        envelope = Envelope(command, origin or Origin("key_1"), asked.reply, size)
        self.registry.tell(tally(name), envelope)
        return asked

    async def ask(self, command: Any, origin: Origin | None = None, *, name: str = "a") -> Outcome:
        return await self.registry.ask(tally(name), command, origin or Origin("key_1"))

    async def texts(self, name: str = "a") -> list[str]:
        """Return what is on disk."""
        found: list[str] = []
        while page := await self.log.read(tally(name), after=len(found)):
            found += [event.payload.text for event in page]
        return found

    def _now(self) -> int:
        return self.now_ms


@asynccontextmanager
async def tallying(
    disk: Disk | None = None, *, live_actors_max: int = 100
) -> AsyncIterator[Tallies]:
    """Run tallies on ``disk``; what it holds outlives them."""
    disk = disk or MemoryDisk()
    await disk.stores.open()
    try:
        async with running(disk.stores) as store, trio.open_nursery() as nursery:
            tallies = Tallies(disk, store, live_actors_max=live_actors_max)
            await nursery.start(tallies.watchdog.run)
            await nursery.start(tallies.registry.run)
            try:
                yield tallies
            finally:
                disk.release()
            nursery.cancel_scope.cancel()
    finally:
        disk.stores.close()


def event(version: int, *, stream: Stream | None = None, time_ms: int = NOW_MS) -> Event:
    """Return one event that nobody has stored, with an id of its own."""
    payload = Counted(str(version), "somebody")
    return Event(
        stream=stream or tally(),
        version=version,
        uuid=next(_NUMBERS).to_bytes(16),
        type=payload.type_name,
        schema=1,
        time_ms=time_ms,
        visibility=0,
        previous_public=version - 1,
        actor="key_1",
        subject=payload.subject,
        data=b'{"text":"%d","subject":"somebody"}' % version,
        payload=payload,
        catalogue=CATALOGUE,
    )


_NUMBERS = count(1)
