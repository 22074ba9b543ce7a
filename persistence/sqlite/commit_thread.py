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


class LetThemRun(trio.abc.Instrument):
    """Lets a thread have the interpreter lock once a pass while the loop has no time to wait.

    A thread that comes back from the disk needs the lock to say so. It asks a busy loop to let go
    of it after 5 ms without a change of hands; but a loop that sends lets go by itself, at every
    system call, and takes it back before the thread has woken up, so that the 5 ms never run out
    (measured: 350 ms for one commit beside a loop that only sends, 1.2 ms with this).

    One for all threads of a loop, for as long as the loop runs: to come and go with every commit
    takes trio 28 µs, this 0.1 µs a pass.
    """

    def __init__(self) -> None:
        """Start without a job that is waited for."""
        self._patient_until: dict[_Job, float] = {}

    def __len__(self) -> int:
        """Return how many jobs are waited for."""
        return len(self._patient_until)

    def begin(self, job: _Job) -> None:
        """Leave a job ``PATIENCE_SECONDS``, in which a disk is done as a rule."""
        self._patient_until[job] = time.perf_counter() + PATIENCE_SECONDS

    def end(self, job: _Job) -> None:
        """Note that a job is done."""
        del self._patient_until[job]

    def before_io_wait(self, timeout: float) -> None:
        """Yield for a job that is late, unless the loop is about to wait by itself."""
        if timeout or not self._patient_until:
            return
        if time.perf_counter() > min(self._patient_until.values()):
            time.sleep(0)


_of_the_loop: trio.lowlevel.RunVar[LetThemRun] = trio.lowlevel.RunVar("lets commits run")


def let_them_run() -> LetThemRun:
    """Return the one of this loop, made on first use."""
    try:
        return _of_the_loop.get()
    except LookupError:
        made = LetThemRun()
        trio.lowlevel.add_instrument(made)
        _of_the_loop.set(made)
        return made


class CommitThread:
    """A thread of its own: no pool, no limiter, one hop each way (about 50 µs)."""

    def __init__(self, name: str) -> None:
        """Start the thread. It is a daemon, so that a crashed loop does not hang the process."""
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread = Thread(target=self._serve, name=name, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            job.run()

    async def call(self, work: Callable[[], None]) -> BaseException | None:
        """Run ``work`` in the thread; return what it raised. Cannot be cancelled."""
        job, waiting = _Job(work), let_them_run()
        waiting.begin(job)
        try:
            self._jobs.put(job)
            await trio.lowlevel.wait_task_rescheduled(lambda _: trio.lowlevel.Abort.FAILED)
        finally:
            waiting.end(job)
        return job.failure

    def join(self) -> None:
        """End the thread after the work it has."""
        self._jobs.put(None)
        self._thread.join()
