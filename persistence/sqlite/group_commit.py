"""The task that commits: everything one pass of the loop has submitted, in one transaction."""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Protocol

import trio

from persistence.calls import Call, call_each
from persistence.errors import OutcomeUnknownError, StoreError, StoreUnavailableError
from persistence.sqlite.feed import SqliteFeed
from persistence.sqlite.heads import Heads
from persistence.sqlite.submits import Batch, Submit, SubmitQueue
from persistence.sqlite.writer import Writer

REOPEN_PAUSE_SECONDS = 1
"""Between two attempts to open a log whose disk has failed."""


class OnCommit(Protocol):
    """What hears of every commit, on the loop; it must not raise."""

    def __call__(self, records: int, seconds: float, *, succeeded: bool) -> None:
        """Take note of a commit that the disk has answered, or that could not be begun."""


def unobserved(records: int, seconds: float, *, succeeded: bool) -> None:
    """Take no note."""


class GroupCommit:
    """Takes batches from the queue, commits them, answers them and tells the feed."""

    def __init__(
        self,
        writer: Writer,
        queue: SubmitQueue,
        heads: Heads,
        feed: SqliteFeed,
        on_commit: OnCommit = unobserved,
    ) -> None:
        """Put the parts together; :meth:`open` and :meth:`run` make them work."""
        self._on_commit = on_commit
        self._writer = writer
        self._queue = queue
        self._heads = heads
        self._feed = feed
        self._wake = trio.Event()
        self._ending = True

    @property
    def accepting(self) -> bool:
        """Whether a submit would be committed."""
        return self._writer.is_open and not self._ending

    @property
    def records_waiting(self) -> int:
        """How many records were submitted and are not on disk yet."""
        return self._queue.rows if self.accepting else 0

    def open(self) -> None:
        """Open the file and begin at its end. Call it in a thread: migrations may take long."""
        self._writer.start()
        position, stream_id = self._writer.open()
        self._heads.forget(position=position, stream_id=stream_id)
        self._feed.begin_at(position)
        self._ending = False

    def wake(self) -> None:
        """Say that something has been submitted. It is committed in the next pass of the loop."""
        self._wake.set()

    async def run(self) -> None:
        """Commit what is submitted until cancelled, then what is left."""
        try:
            await self._serve()
        finally:
            self._ending = True
            try:
                with trio.CancelScope(shield=True):
                    await self._commit_all()
            finally:
                # Only after a callback that raised is anything left.
                left = self._queue.take_all()
                self._answer(left, [], StoreUnavailableError("the log is closed"))

    async def _serve(self) -> None:
        while True:
            await self._wake.wait()
            self._wake = trio.Event()
            with trio.CancelScope(shield=True):
                await self._commit_all()
            while not self._writer.is_open:
                await trio.sleep(REOPEN_PAUSE_SECONDS)
                if self._reopen():
                    self._tell_survivors()

    async def _commit_all(self) -> None:
        while self._queue:
            batch = Batch(self._queue.take(), self._heads)
            began = time.perf_counter()
            error = await self._commit(batch)
            seconds = time.perf_counter() - began
            self._on_commit(len(batch.records), seconds, succeeded=error is None)
            if error is None:
                self._announce(batch)
            else:
                self._give_up(batch.submits, error)

    async def _commit(self, batch: Batch) -> StoreError | None:
        try:
            self._writer.insert(batch)
        except StoreError as error:
            return StoreUnavailableError(str(error))
        failure = await self._writer.commit()
        if failure is None:
            return None
        unknown = OutcomeUnknownError(f"the commit failed: {failure}")
        unknown.__cause__ = failure
        return unknown

    def _announce(self, batch: Batch) -> None:
        """Receipts in submit order, then listeners; each is called, even if one before raised."""
        self._queue.release(batch)
        calls: list[Call] = [(submit.on_done, submit.appended) for submit in batch.submits]
        calls.append((self._feed.tell, tuple(batch.records)))
        call_each(calls)

    def _give_up(self, batch: Sequence[Submit], error: StoreError) -> None:
        """Answer everything that rested on ``batch`` and start anew from what is on disk."""
        behind = self._queue.take_all()
        with ExitStack() as calls:
            # Called last first: what was asked is answered even if the file cannot be opened.
            calls.callback(self._tell_survivors)
            calls.callback(self._answer, batch, behind, error)
            self._writer.abandon()
            self._reopen()

    def _answer(self, batch: Sequence[Submit], behind: Sequence[Submit], error: StoreError) -> None:
        why = StoreUnavailableError("the commit before this one failed; nothing was written")
        calls: list[Call] = [(submit.on_done, error) for submit in batch]
        calls += [(submit.on_done, why) for submit in behind]
        call_each(calls)

    def _tell_survivors(self) -> None:
        """Tell what outlived its failed commit; while it cannot be read, the log stays closed."""
        if not self._writer.is_open:
            return
        try:
            self._feed.tell_survivors()
        except StoreUnavailableError:
            self._writer.abandon()

    def _reopen(self) -> bool:
        """Open the file again and forget every head; say if that was possible."""
        try:
            position, stream_id = self._writer.open()
        except StoreUnavailableError:
            return False
        self._heads.forget(position=position, stream_id=stream_id)
        return True
