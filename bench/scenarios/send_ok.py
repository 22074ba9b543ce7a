"""From ``message.create`` to its ``ok``: the answer leaves when the message is on disk.

Open loop: messages are sent at a fixed rate whatever the server does, and a latency counts from
the moment a message was *to be* sent, so a server that stalls is charged for all who wait. Closed
loop: every connection keeps a window of messages under way, which gives the most it can take.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any

import trio

from bench.correctness import Counts, counted
from bench.figures import percentile, sync_seconds
from bench.server import Server, serving
from bench.writer import Writer, writing

NAME = "send_ok"
RATES = (50, 200, 500, 1000, 1500, 2000, 3000, 4000)
WINDOW = 16
PATIENCE_SECONDS = 10
LAG_SECONDS_MAX = 0.25
"""Between the last intended send and the last answer; beyond it the queue was growing."""

Load = Callable[[list[Writer]], Awaitable[None]]


@dataclass(frozen=True)
class Phase:
    """One load, and what came of it."""

    loop: str
    offered_per_s: int | None
    seconds: float
    per_s: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    server_cpu_us: float
    """Processor time of the server, a message."""
    client_cpu_us: float
    counts: Counts
    keeps_up: bool


async def run(*, seconds: float, connections: int) -> dict[str, Any]:
    """Measure, and return the result as it is kept."""
    async with serving() as server:
        sync = sync_seconds(server.data)
        phases: list[Phase] = []
        for rate in RATES:
            load = _at_rate(rate, seconds)
            phases.append(await _measured(server, load, rate=rate, connections=connections))
            if not phases[-1].keeps_up:
                break
        load = _as_fast_as_it_goes(seconds)
        phases.append(await _measured(server, load, rate=None, connections=connections))
        return {
            "scenario": NAME,
            "connections": connections,
            "window": WINDOW,
            "seconds": seconds,
            "sync_us_p50": round(sync * 1e6),
            "resident_mib": round(server.resident_bytes() / 2**20),
            "void": any(phase.counts.void for phase in phases),
            "phases": [asdict(phase) for phase in phases],
        }


async def _measured(server: Server, load: Load, *, rate: int | None, connections: int) -> Phase:
    label = rate or "closed"
    names = [f"conv_{label}_{at}" for at in range(connections)]
    async with writing(server, names) as writers:
        server_cpu, client_cpu = server.cpu_seconds(), time.process_time()
        await load(writers)
        server_cpu = server.cpu_seconds() - server_cpu
        client_cpu = time.process_time() - client_cpu
    counts = await counted(server, writers)
    latencies = [value for writer in writers for value in writer.latencies(skip=1)]
    began = min(writer.intended[1] for writer in writers)
    last = max(writer.intended[-1] for writer in writers)
    ended = max(max(writer.answered.values()) for writer in writers)
    return Phase(
        loop="closed" if rate is None else "open",
        offered_per_s=rate,
        seconds=round(ended - began, 3),
        per_s=round(len(latencies) / (ended - began), 1),
        p50_ms=round(percentile(latencies, 0.5) * 1000, 2),
        p99_ms=round(percentile(latencies, 0.99) * 1000, 2),
        max_ms=round(max(latencies) * 1000, 2),
        server_cpu_us=round(server_cpu / len(latencies) * 1e6),
        client_cpu_us=round(client_cpu / len(latencies) * 1e6),
        counts=counts,
        keeps_up=not counts.void and ended - last <= LAG_SECONDS_MAX,
    )


def _at_rate(rate: int, seconds: float) -> Load:
    """Send at the moments of a clock that does not wait for answers."""

    async def one(writer: Writer, start: float, step: float, count: int) -> None:
        for at in range(count):
            intended = start + at * step
            await trio.sleep_until(intended)
            await writer.send(intended)
        for _ in range(count):
            await writer.answers.acquire()

    async def load(writers: list[Writer]) -> None:
        start, step = trio.current_time() + 0.05, len(writers) / rate
        count = max(1, round(seconds / step))
        with trio.move_on_after(seconds + PATIENCE_SECONDS):
            async with trio.open_nursery() as nursery:
                for at, writer in enumerate(writers):
                    nursery.start_soon(one, writer, start + at / rate, step, count)

    return load


def _as_fast_as_it_goes(seconds: float) -> Load:
    """Keep ``WINDOW`` messages of every connection under way."""

    async def one(writer: Writer, until: float) -> None:
        under_way = 0
        while trio.current_time() < until:
            if under_way == WINDOW:
                await writer.answers.acquire()
                under_way -= 1
            await writer.send(trio.current_time())
            under_way += 1
        for _ in range(under_way):
            await writer.answers.acquire()

    async def load(writers: list[Writer]) -> None:
        until = trio.current_time() + seconds
        with trio.move_on_after(seconds + PATIENCE_SECONDS):
            async with trio.open_nursery() as nursery:
                for writer in writers:
                    nursery.start_soon(one, writer, until)

    return load
