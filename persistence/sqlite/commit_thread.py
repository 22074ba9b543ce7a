"""The one thread that waits for the disk, so that the loop does not."""

import time
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread

import trio

PATIENCE_SECONDS = 0.002
"""How long a commit may take before a busy loop yields to it. A disk is done by then as a rule, and
the loop too. Yielding at once makes commits smaller and costs more than it gives (measured at 2,000
messages a second: 3.9 instead of 1.8 ms for half of the answers)."""


class _Job:
    """One call for the thread, and the task on the loop that waits for it."""

    def __init__(self, work: Callable[[], None]) -> None:
        self.work = work
        self.failure: BaseException | None = None
        self.task = trio.lowlevel.current_task()
        self.token = trio.lowlevel.current_trio_token()

    def run(self) -> None:
        try:
            self.work()
        except BaseException as failure:  # noqa: ASYNC103, BLE001 - in a thread: the loop hears of it and answers for it
            self.failure = failure
        try:
            self.token.run_sync_soon(trio.lowlevel.reschedule, self.task)
        except trio.RunFinishedError:
            return  # the loop has died, so nobody waits any more


class LetItRun(trio.abc.Instrument):
    """Lets the thread have the interpreter lock once a pass while the loop has no time to wait.

    A thread that comes back from the disk needs the lock to say so. It asks a busy loop to let go
    of it after 5 ms without a change of hands; but a loop that sends lets go by itself, at every
    system call, and takes it back before the thread has woken up, so that the 5 ms never run out
    (measured: 350 ms for one commit beside a loop that only sends, 1.2 ms with this).
    """

    def __init__(self) -> None:
        """Start without a call that is waited for."""
        self._patient_until = 0.0

    def begin(self) -> None:
        """A call begins: leave it ``PATIENCE_SECONDS``, in which a disk is done as a rule."""
        self._patient_until = time.perf_counter() + PATIENCE_SECONDS

    def before_io_wait(self, timeout: float) -> None:
        """Yield, unless the loop is about to wait by itself."""
        if not timeout and time.perf_counter() > self._patient_until:
            time.sleep(0)


class CommitThread:
    """A thread of its own: no pool, no limiter, one hop each way (about 50 µs)."""

    def __init__(self, name: str) -> None:
        """Start the thread. It is a daemon, so that a crashed loop does not hang the process."""
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._let_it_run = LetItRun()
        self._thread = Thread(target=self._serve, name=name, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            job.run()

    async def call(self, work: Callable[[], None]) -> BaseException | None:
        """Run ``work`` in the thread; return what it raised. Cannot be cancelled."""
        job = _Job(work)
        self._let_it_run.begin()
        trio.lowlevel.add_instrument(self._let_it_run)
        try:
            self._jobs.put(job)
            await trio.lowlevel.wait_task_rescheduled(lambda _: trio.lowlevel.Abort.FAILED)
        finally:
            trio.lowlevel.remove_instrument(self._let_it_run)
        return job.failure

    def join(self) -> None:
        """End the thread after the work it has."""
        self._jobs.put(None)
        self._thread.join()
