"""The one thread that waits for the disk, so that the loop does not."""

from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread

import trio


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
        job = _Job(work)
        self._jobs.put(job)
        await trio.lowlevel.wait_task_rescheduled(lambda _: trio.lowlevel.Abort.FAILED)
        return job.failure

    def join(self) -> None:
        """End the thread after the work it has."""
        self._jobs.put(None)
        self._thread.join()
