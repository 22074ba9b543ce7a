"""A consumer: follows the feed from its own durable position and keeps a view of it (shell).

What an event means for the view is its feature's rule; the rows and the position they rest on are
written together. What it kept can be thrown away: it is built again from the log.
"""

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import trio

from engine.bus.bus import Bus
from engine.bus.follower import FeedSource, Follower
from engine.bus.rules import ViewRules
from engine.errand import in_task
from engine.errors import BusyError, StorageError
from engine.ids import Veil
from engine.limits import (
    CONSUMER_BATCH_EVENTS,
    CONSUMER_FOLD_SECONDS,
    CONSUMER_LINGER_SECONDS,
    CONSUMER_RETRY_SECONDS,
    CONSUMER_WAITING_EVENTS,
)
from engine.log.event import Event
from engine.log.log import Log, store_failures
from persistence.errors import StoreDamagedError
from persistence.protocols.views import (
    KEY,
    AnyOf,
    Change,
    Condition,
    Declaration,
    Group,
    Query,
    Row,
    View,
    Views,
)

LOG = logging.getLogger("parley.consumer")

OnProgress = Callable[[int, int], Awaitable[None]]
"""Told how many positions are built, and how many there are."""


class Consumer:
    """One view and what keeps it."""

    def __init__(
        self,
        rules: ViewRules,
        *,
        log: Log,
        bus: Bus,
        views: Views,
        veil: Veil,
        now_ms: Callable[[], int],
    ) -> None:
        """Follow ``bus`` and ``log``; keep the view among ``views``."""
        self.rules = rules
        self.failed = False
        """Whether a failure has stopped it: its view answers as it is, and moves no more."""
        self._log, self._bus, self._views, self._veil = log, bus, views, veil
        self._now_ms = now_ms
        self._source = FeedSource(log)
        self._view: View | None = None
        self._older: View | None = None
        self._waiting: list[_Folded] = []
        self._fault: Exception | None = None
        """What an event that was told live has failed with; the task of the consumer raises it."""
        self._folded_ms = 0
        self._is_rebuilding = False
        self._writing = trio.Lock()
        self._woken, self._hurried, self._moved = trio.Event(), trio.Event(), trio.Event()
        self._revived = trio.Event()

    @property
    def name(self) -> str:
        """The name of the view."""
        return self.rules.declaration.name

    @property
    def position(self) -> int:
        """How far the view that answers has come."""
        view = self._older or self._view
        return 0 if view is None else view.position

    @property
    def schema(self) -> int:
        """The schema of the view that answers: an older one while the new one is being built."""
        return (self._older or self.rules).declaration.schema

    @property
    def lag(self) -> int:
        """How many positions it still has to fold."""
        return self._log.committed() - (0 if self._view is None else self._view.position)

    @property
    def lag_seconds(self) -> float:
        """How old the oldest event is that it has not folded; 0 when it has folded all."""
        if self.lag == 0:
            return 0.0
        newest_ms = self._waiting[0].time_ms if self._waiting else self._folded_ms
        return max(0, self._now_ms() - newest_ms) / 1000 if newest_ms else 0.0

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Follow until cancelled. A failure stops it, loudly, and nothing beside it."""
        task_status.started()
        while True:
            self._revived = trio.Event()
            try:
                await self._follow_on()
            except Exception:
                LOG.exception(
                    "a consumer has stopped: mend what is wrong, then `parley views rebuild`",
                    extra={"consumer": self.name, "position": self.position},
                )
            self.failed = True
            self._tell()
            await self._revived.wait()
            self.failed = False

    async def opened(self) -> None:
        """Wait until the view is open, or its consumer has stopped."""
        while self._view is None and not self.failed:
            await self._moved.wait()

    async def reached(self, position: int, *, within: float) -> int:
        """Wait until the view has come to ``position``, for ``within`` seconds at most.

        Returns:
            How far it has come: less than ``position`` when the time has run out, when it has
            stopped, and while a view of an older schema answers, which does not move.
        """
        await in_task()
        with trio.move_on_after(within):  # noqa: ASYNC912 - when it is there, nothing waits
            while not self._is_there(position):
                self._hurried.set()
                await self._moved.wait()
        return self.position

    def _is_there(self, position: int) -> bool:
        """Say whether there is nothing to wait for any more."""
        is_still = self.failed or self._older is not None
        return is_still or (self._view is not None and self._view.position >= position)

    async def read(self, query: Query) -> list[Row]:
        """Return the rows that answer a query.

        Raises:
            StorageError: the view is not open yet, or does not answer.
        """
        await in_task()
        with store_failures():
            return await self._answering(query.where, query.order_by).read(query)

    async def counts(
        self, by: str, where: Sequence[Condition] = (), *, limit: int = 200
    ) -> list[Group]:
        """Return how many rows have each value of a column; errors as :meth:`read`."""
        await in_task()
        with store_failures():
            return await self._answering(where, by).counts(by, where, limit=limit)

    async def rebuild(self, progress: OnProgress) -> int:
        """Build the view anew beside the one that answers, then swap them; return its position.

        One that had stopped goes on from there.

        Raises:
            BusyError: somebody else has it built already.
            StorageError: the store, or the log, does not answer.
        Cancellation: what was built is thrown away; the view that answers stays.
        """
        if self._is_rebuilding:
            detail = f"{self.name} is being built anew already"
            raise BusyError(detail)
        self._is_rebuilding = True
        try:
            await self._rebuild(progress)
            if self.failed:
                self._revived.set()
            await progress(self.position, self._log.committed())
        finally:
            self._is_rebuilding = False
        return self.position

    async def _rebuild(self, progress: OnProgress) -> None:
        with store_failures():
            fresh = await self._views.open(
                self.rules.declaration, epoch=self._log.epoch, afresh=True
            )
            try:
                await self._build(fresh, progress)
            except BaseException:
                with trio.CancelScope(shield=True):
                    await self._views.discard(fresh)
                raise

    async def _build(self, fresh: View, progress: OnProgress) -> None:
        while page := await self._source.read(after=fresh.position, limit=CONSUMER_BATCH_EVENTS):
            await self._write(fresh, await self._folded_page(page))
            await progress(fresh.position, self._log.committed())
            if len(page) < CONSUMER_BATCH_EVENTS:
                break
        async with self._writing:
            # What was committed meanwhile: a page or so, while the follower stands still.
            while fresh.position < (0 if self._view is None else self._view.position):
                page = await self._source.read(after=fresh.position, limit=CONSUMER_BATCH_EVENTS)
                await self._write(fresh, await self._folded_page(page))
            await self._settle(fresh)

    async def _settle(self, view: View) -> None:
        self._view = self._older = None  # should it fail, they are closed, and opened anew
        with trio.CancelScope(shield=True):
            self._view = await self._views.settle(view)
        self._tell()

    async def _follow_on(self) -> None:
        """Follow, and try again whenever the store or the log does not answer."""
        is_told = False
        while True:
            try:
                await self._open()
                await self._follow()
            except StorageError as error:
                if not is_told:
                    LOG.warning(
                        "a consumer waits", extra={"consumer": self.name, "why": str(error)}
                    )
                is_told = True
                await trio.sleep(CONSUMER_RETRY_SECONDS)

    async def _open(self) -> None:
        async with self._writing:
            if self._view is not None:
                return
            declaration, epoch = self.rules.declaration, self._log.epoch
            with store_failures():
                view = await self._views.open(declaration, epoch=epoch)
                self._older = await self._views.older(declaration, epoch=epoch)
            self._view = view
        self._tell()

    async def _follow(self) -> None:
        self._waiting.clear()
        self._fault = None
        view = self._view
        follower = self._bus.follow_all(
            self._take, after=view.position if view else 0, wake=self._wake
        )
        try:
            while True:
                await self._step(follower)
        finally:
            self._bus.unfollow(follower)

    async def _step(self, follower: Follower) -> None:
        """Write what waits; when nothing does, wait for more."""
        if self._fault is not None:
            fault, self._fault = self._fault, None
            raise fault
        if not follower.live and len(self._waiting) < CONSUMER_BATCH_EVENTS:
            await follower.catch_up()
        if self._waiting:
            await self._write_waiting()
        elif follower.live:
            if self._older is not None and self._view is not None:
                async with self._writing:
                    with store_failures():
                        await self._settle(self._view)
            await self._gather(follower)

    async def _gather(self, follower: Follower) -> None:
        """Wait for an event; then for more of them, unless somebody waits for this one."""
        if not self._waiting and follower.live:
            self._woken = trio.Event()
            await self._woken.wait()
        with trio.move_on_after(CONSUMER_LINGER_SECONDS):
            await self._hurried.wait()
        self._hurried = trio.Event()

    async def _write_waiting(self) -> None:
        async with self._writing:
            view = self._view
            batch = self._waiting[:CONSUMER_BATCH_EVENTS]
            if view is not None:
                # Those that a rebuild has folded meanwhile are not folded again.
                await self._write(view, [one for one in batch if one.position > view.position])
            del self._waiting[: len(batch)]
        self._tell()

    def _folded(self, event: Event) -> "_Folded":
        return _Folded(event.position, event.time_ms, self.rules.fold(event, self._veil))

    async def _folded_page(self, events: Sequence[Event]) -> list["_Folded"]:
        folded: list[_Folded] = []
        began = time.perf_counter()
        for event in events:
            folded.append(self._folded(event))
            if time.perf_counter() - began > CONSUMER_FOLD_SECONDS:
                await trio.lowlevel.checkpoint()
                began = time.perf_counter()
        return folded

    async def _write(self, view: View, folded: Sequence["_Folded"]) -> None:
        """Write what events change."""
        if not folded:
            return
        changes = [change for one in folded for change in one.changes]
        try:
            with store_failures():
                await view.write(changes, position=folded[-1].position)
        except StorageError as error:
            if isinstance(error.__cause__, StoreDamagedError):
                raise error.__cause__ from None
            raise
        self._folded_ms = folded[-1].time_ms

    def _take(self, event: Event) -> bool:
        """Fold at once (1 to 2 µs), so that what waits holds nothing of what people wrote."""
        if self._fault is not None or len(self._waiting) >= CONSUMER_WAITING_EVENTS:
            return False
        try:
            self._waiting.append(self._folded(event))
        except Exception as fault:  # noqa: BLE001 - the bus goes on; the consumer stops, loudly
            self._fault = fault
            return False
        if len(self._waiting) == CONSUMER_BATCH_EVENTS:
            self._hurried.set()
        self._woken.set()
        return True

    def _wake(self) -> None:
        self._woken.set()
        self._hurried.set()

    def _tell(self) -> None:
        """Let those who wait look how far it is."""
        self._moved.set()
        self._moved = trio.Event()

    def _answering(self, where: Sequence[Condition], column: str) -> View:
        view = self._older or self._view
        if view is None:
            detail = "the list is not open yet; try again"
            raise StorageError(detail)
        if not answers(view.declaration, self.rules.declaration, {column, *_columns_of(where)}):
            view = self._view or view
        return view


class _Folded(NamedTuple):
    """What one event changes in the view."""

    position: int
    time_ms: int
    changes: Sequence[Change]


def answers(older: Declaration, newer: Declaration, asked: set[str]) -> bool:
    """Say whether a view has the columns that are asked for as a newer schema has them."""
    return asked <= {KEY, *(one.name for one in older.columns if one in newer.columns)}


def _columns_of(where: Sequence[Condition]) -> set[str]:
    found: set[str] = set()
    for condition in where:
        parts = condition.conditions if isinstance(condition, AnyOf) else (condition,)
        found |= {part.column for part in parts}
    return found
