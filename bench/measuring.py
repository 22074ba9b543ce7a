"""Measures what a load costs: the server's processor time, the generator's own, and the clock."""

import gc
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.correctness import Counts
from bench.figures import LAG_SECONDS_MAX, LAG_SHARE_MAX, Load, Phase
from bench.histogram import Histogram
from bench.machine import Sync, cpu_seconds, sync_time


class Meter:
    """Around a load: without collections of garbage in the generator, and with the disk timed."""

    def __init__(self, pid: int, folder: Path) -> None:
        """Watch the process ``pid``, which keeps its data in ``folder``."""
        self._pid = pid
        self._folder = folder
        self.sync = Sync(0, 0)
        self.latencies = Histogram()
        self.began = 0.0
        self.ended = 0.0
        """When the load began, and when its last answer came; set by who offers it."""
        self.last_intended = 0.0
        self.server_cpu_s = 0.0
        self.generator_cpu_s = 0.0
        self.works_beside = False
        """Whether the process does other work too, so that its time says nothing."""

    def __enter__(self) -> Self:
        self.sync = sync_time(self._folder)
        gc.collect()
        gc.freeze()
        gc.disable()
        self._server, self._generator = cpu_seconds(self._pid), time.process_time()
        self._clock = time.perf_counter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.wall_s = time.perf_counter() - self._clock
        self.server_cpu_s = cpu_seconds(self._pid) - self._server
        self.generator_cpu_s = time.process_time() - self._generator
        gc.enable()
        gc.unfreeze()

    @property
    def measures_itself(self) -> bool:
        """Whether there is no server, but a part that runs in this process."""
        return self._pid == os.getpid()

    def answered(self, intended: float, now: float) -> None:
        """Note an operation that was to begin at ``intended`` and is done ``now``."""
        self.latencies.record(now - intended)
        self.last_intended = max(self.last_intended, intended)
        self.ended = now

    def phase(
        self,
        load: Load,
        counts: Counts,
        *,
        group: str = "",
        late: Histogram | None = None,
        more: dict[str, float] | None = None,
        label: str | None = None,
    ) -> Phase:
        """Return the phase that was measured; every latency counts as one operation."""
        operations = self.latencies.count
        seconds = max(self.ended - self.began, self._scheduled_s(load), 1e-9)
        void = counts.void or not operations
        share = None if self.measures_itself else round(self.generator_cpu_s / self.wall_s, 3)
        cpu_us = round(self.server_cpu_s / max(operations, 1) * 1e6, 1)
        return Phase(
            group=group,
            label=label or load.label,
            load=load,
            seconds=round(seconds, 3),
            operations=operations,
            per_s=round(operations / seconds, 1),
            latency=self.latencies.latency(),
            late_ms_p99=late.ms(99.0)[0] if late is not None else None,
            server_cpu_us=None if self.works_beside else cpu_us,
            generator_cpu_share=share,
            sync=self.sync,
            counts=counts,
            void=void,
            keeps_up=not void and self._in_time(load),
            more=more or {},
        )

    def _scheduled_s(self, load: Load) -> float:
        """Return how long the schedule of an open loop was: the last arrival has its share, too."""
        if load.per_s is None:
            return 0.0
        return self.last_intended - self.began + 1 / load.per_s

    def _in_time(self, load: Load) -> bool:
        """Say whether the answers came as fast as was asked, but for a fixed lag."""
        if load.per_s is None:
            return True
        lag_max = max(LAG_SECONDS_MAX, LAG_SHARE_MAX * self._scheduled_s(load), 1 / load.per_s)
        return self.ended - self.last_intended <= lag_max
