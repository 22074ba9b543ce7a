"""Storage alone: rows appended and forced to disk, by how many share a commit.

The loop is idle but for the append, or busy all the time with other work in slices, as in a server
that has too much to do: the thread that commits then has to wait for the interpreter. A loop that
sends lets go of it often, one that computes hardly ever.
"""

import os
import random
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import trio

from bench.correctness import Counts
from bench.figures import Load, Phase
from bench.machine import pinned
from bench.measuring import Meter
from bench.scenario import PATIENCE_SECONDS, Bench, Scenario
from engine import ids
from persistence.errors import StoreError
from persistence.limits import READ_RECORDS_MAX
from persistence.protocols.store import Store
from persistence.records import Appended, Draft, StoredRecord, Stream, StreamWrite
from persistence.sqlite.store import SqliteStores

ROWS = (1, 16, 64)
STREAMS = 500
BODY_BYTES = 300
"""A sealed message of 100 bytes of text."""

COMPUTING_SECONDS = 0.001
SENDING_SECONDS = 0.0001
"""How long a slice of either busy loop is; the sending one then writes to a socket."""

SECONDS_MAX = 1.5
"""Of each of the eighteen loads: a commit takes a millisecond, so that is plenty."""

Loop = Literal["idle", "sending", "computing"]
LOOPS: tuple[Loop, ...] = ("idle", "sending", "computing")
LOOPS_QUICK: tuple[Loop, ...] = ("idle",)


@dataclass(frozen=True)
class Case:
    """One load."""

    rows: int
    loop: Loop
    one_core: bool

    @property
    def group(self) -> str:
        return f"loop {self.loop}, {'1 core' if self.one_core else 'all cores'}"


class Appender:
    """Appends a row to the next stream, and notes what it was told."""

    def __init__(self, store: Store, meter: Meter) -> None:
        self._store = store
        self._meter = meter
        self._streams = [Stream("conversation", f"conv_{at}") for at in range(STREAMS)]
        self._versions = dict.fromkeys(self._streams, 0)
        self._body = random.Random(1).randbytes(BODY_BYTES)
        self._under_way = 0
        self._all_done = trio.Event()
        self.submitted: list[bytes] = []
        self.acked: dict[bytes, tuple[int, int]] = {}
        """Event id → (version, position) of the receipt."""
        self.errors = 0
        self.gave_up = False
        """Whether a batch was not answered in ``PATIENCE_SECONDS``."""

    async def commit(self, rows: int) -> None:
        """Submit ``rows`` rows for as many streams in one pass of the loop; wait for all."""
        self._under_way, self._all_done = rows, trio.Event()
        for _ in range(rows):
            self._submit()
        with trio.move_on_after(PATIENCE_SECONDS) as patience:
            await self._all_done.wait()
        self.gave_up = patience.cancelled_caught

    def _submit(self) -> None:
        stream = self._streams[len(self.submitted) % STREAMS]
        event_id, began = ids.new_uuid(), time.perf_counter()

        def done(answer: tuple[Appended, ...] | StoreError) -> None:
            if isinstance(answer, StoreError):
                self.errors += 1
            else:
                self._meter.answered(began, time.perf_counter())
                self.acked[event_id] = (answer[0].version, answer[0].position)
            self._under_way -= 1
            if not self._under_way:
                self._all_done.set()

        write = StreamWrite(stream, self._versions[stream], (Draft(event_id, self._body),))
        self._versions[stream] += 1
        self.submitted.append(event_id)
        self._store.log.submit([write], done)

    async def counted(self) -> Counts:
        """Read the whole log back and compare it with the receipts."""
        kept = await _everything(self._store)
        stored = {record.event_id: (record.version, record.position) for record in kept}
        told = [record.event_id for record in kept]
        return Counts(
            sent=len(self.submitted),
            acked=len(self.acked),
            unanswered=len(self.submitted) - len(self.acked) - self.errors,
            lost=sum(stored.get(one) != receipt for one, receipt in self.acked.items()),
            doubled=len(kept) - len(stored),
            disordered=sum(one != other for one, other in zip(told, self.submitted, strict=False)),
            errors=self.errors,
        )


async def _everything(store: Store) -> list[StoredRecord]:
    found: list[StoredRecord] = []
    while page := await store.feed.read_feed(after=len(found), limit=READ_RECORDS_MAX):
        found += page
    return found


async def _compute() -> None:
    """Use the loop up, letting other tasks run between slices."""
    while True:
        _spend(COMPUTING_SECONDS)
        await trio.lowlevel.checkpoint()


async def _send() -> None:
    """Use the loop up with shorter slices, each of which ends with a write to a socket."""
    here, there = socket.socketpair()
    with here, there:
        while True:
            _spend(SENDING_SECONDS)
            here.send(b"x" * BODY_BYTES)
            there.recv(BODY_BYTES)
            await trio.lowlevel.checkpoint()


def _spend(seconds: float) -> None:
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


@asynccontextmanager
async def _beside(loop: Loop) -> AsyncIterator[None]:
    """Keep the loop busy until the end of the block."""
    async with trio.open_nursery() as nursery:
        if loop == "computing":
            nursery.start_soon(_compute)
        elif loop == "sending":
            nursery.start_soon(_send)
        yield
        nursery.cancel_scope.cancel()


async def measured(folder: Path, case: Case, seconds: float) -> Phase:
    """Append to a fresh store, closed loop: one batch is under way at a time."""
    stores = SqliteStores(folder / "data")
    await stores.open()
    try:
        async with trio.open_nursery() as nursery:
            store = stores.store("bench", "test")
            await nursery.start(store.run)
            phase = await _measured(store, folder, case, seconds)
            nursery.cancel_scope.cancel()
    finally:
        stores.close()
    return phase


async def _measured(store: Store, folder: Path, case: Case, seconds: float) -> Phase:
    meter = Meter(os.getpid(), folder)
    appender = Appender(store, meter)
    meter.works_beside = case.loop != "idle"
    with meter:
        async with _beside(case.loop):
            meter.began = time.perf_counter()
            until = meter.began + seconds
            while time.perf_counter() < until and not appender.gave_up:
                await appender.commit(case.rows)
    return meter.phase(
        Load("closed", window=case.rows),
        await appender.counted(),
        group=case.group,
        label=f"{case.rows} row{'s' * (case.rows > 1)}",
    )


def run(bench: Bench) -> tuple[list[Phase], dict[str, float | str]]:
    """Measure."""
    seconds = min(bench.seconds, SECONDS_MAX)
    phases: list[Phase] = []
    first = frozenset({min(os.sched_getaffinity(0))})
    for one_core in (False,) if bench.quick else (False, True):
        for loop in LOOPS_QUICK if bench.quick else LOOPS:
            for rows in bench.of(ROWS, (16,)):
                case = Case(int(rows), loop, one_core)
                with bench.folder() as folder, pinned(first if one_core else None):
                    phases.append(bench.told(trio.run(measured, folder, case, seconds)))
    settings: dict[str, float | str] = {
        "streams": STREAMS,
        "body_bytes": BODY_BYTES,
        "computing_ms": COMPUTING_SECONDS * 1000,
        "sending_ms": SENDING_SECONDS * 1000,
    }
    return phases, settings


SCENARIO = Scenario(
    name="append_batch",
    title="Append by batch size",
    about=(
        "The store alone, without a server: rows of 300 bytes for 500 streams, each a submit of "
        "its own, of which so many share one commit and one forced write. The loop is idle but "
        "for that, or busy all the time: sending to a socket every 0.1 ms, or only computing in "
        "slices of 1 ms."
    ),
    unit="rows",
    latency_of="from the submit to its receipt, one batch at a time (closed loop)",
    run=run,
)
