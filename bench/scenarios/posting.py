"""What the scenarios share that only write: each connection has a conversation of its own."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bench.correctness import Counts, Posted, count_kept
from bench.figures import Load, Phase
from bench.histogram import Histogram
from bench.load.loops import LEAD_SECONDS, Moment, arrivals, closed_loop, open_loop
from bench.load.poller import Poller
from bench.load.writers import Socket, Writer, begin
from bench.measuring import Meter
from bench.peers.target import Running
from bench.scenario import PATIENCE_SECONDS, Bench, climbed


@dataclass(frozen=True)
class Posting:
    """Writes to one running server."""

    bench: Bench
    running: Running
    connections: int
    window: int

    def phases(self, rates: tuple[float, ...]) -> list[Phase]:
        """Warm up, then measure every rate that is kept up with, and the closed loop."""
        self.closed("warm-up", self.bench.warm_up_s)
        phases = climbed(rates, self._told_open)
        phases.append(self.bench.told(self.closed("closed", self.bench.seconds)))
        return phases

    def open(
        self, name: str, per_s: float, seconds: float, *, meanwhile: tuple[Moment, ...] = ()
    ) -> Phase:
        """Write at a constant rate. Moments of ``meanwhile`` count from the first message."""
        with self._writing(name) as (poller, writers, meter):
            start = time.perf_counter() + LEAD_SECONDS
            due = arrivals(start=start, per_s=per_s, seconds=seconds)
            moments: list[Moment] = [
                (at, writers[number % len(writers)].send) for number, at in enumerate(due)
            ]
            moments += [(start + at, act) for at, act in meanwhile]
            moments.sort(key=lambda moment: moment[0])
            meter.began = start
            late = open_loop(poller, moments, done=_settled(writers), patience_s=PATIENCE_SECONDS)
        return self._phase(Load("open", per_s=per_s), meter, writers, late)

    def closed(self, name: str, seconds: float, *, meanwhile: tuple[Moment, ...] = ()) -> Phase:
        """Keep a window of messages of every connection under way."""
        with self._writing(name) as (poller, writers, meter):

            def start(until: float) -> None:
                def answered(writer: Writer, intended: float, now: float) -> None:
                    meter.answered(intended, now)
                    if now < until:
                        writer.send(now)

                meter.began = time.perf_counter()
                for writer in writers:
                    writer.on_answered = answered
                    for _ in range(self.window):
                        writer.send(time.perf_counter())
                for at, act in meanwhile:
                    poller.run_until(meter.began + at)
                    act(at)

            closed_loop(
                poller,
                start,
                seconds=seconds,
                done=_settled(writers),
                patience_s=PATIENCE_SECONDS,
            )
        window = self.window * self.connections
        return self._phase(Load("closed", window=window), meter, writers, None)

    def _told_open(self, per_s: float) -> Phase:
        return self.bench.told(self.open(f"{per_s:g}", per_s, self.bench.seconds))

    @contextmanager
    def _writing(self, name: str) -> Iterator[tuple[Poller, list[Writer], Meter]]:
        poller = Poller()
        writers = [Writer(Posted(f"conv_{name}_{at}")) for at in range(self.connections)]
        try:
            for writer in writers:
                Socket(poller, self.running, writer)
            begin(poller, writers)
            meter = Meter(self.running.pid, self.running.folder)
            for writer in writers:
                writer.on_answered = lambda _, intended, now: meter.answered(intended, now)
            with meter:
                yield poller, writers, meter
        finally:
            for writer in writers:
                writer.close()
            poller.close()

    def _phase(
        self, load: Load, meter: Meter, writers: list[Writer], late: Histogram | None
    ) -> Phase:
        counts = Counts()
        for writer in writers:
            kept = self.running.kept(writer.posted.conversation)
            counts.add(count_kept(writer.posted, kept, first_version=self.running.first_version))
        return meter.phase(load, counts, late=late)


def _settled(writers: list[Writer]) -> Callable[[], bool]:
    return lambda: all(writer.posted.settled for writer in writers)
