"""Whoever asks, appends or reads the feed is cancelled at every step of its own: nothing breaks.

An instrument counts the steps of all tasks; run k cancels the one that asks at step k. The log and
its heads stay one, the answer to a repeated command is the first one's, no task, no file is left.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio

from engine.actor.outcome import Accepted, Query, Replayed
from engine.errors import ParleyError
from persistence.records import StreamWrite
from tests.support.disks import Disk, MemoryDisk, sqlite_disk
from tests.support.drafts import draft
from tests.support.tallies import Count, Tallies, TallyState, key, tally, tallying

STEPS_MAX = 60
"""More than any of them takes: a run that is never cancelled ends the test."""


class CancelAt(trio.abc.Instrument):
    """Cancels a scope just before the step of a given number, whosever it is."""

    def __init__(self, step: int) -> None:
        self._left = step
        self.scope = trio.CancelScope()

    def before_task_step(self, task: trio.lowlevel.Task) -> None:  # noqa: ARG002 - trio's name
        self._left -= 1
        if self._left == 0:
            self.scope.cancel()

    async def run(self, work: Callable[[], Awaitable[None]]) -> bool:
        """Do ``work``; say whether it took as many steps, and so was cancelled."""
        trio.lowlevel.add_instrument(self)
        try:
            with self.scope:
                await work()
        finally:
            trio.lowlevel.remove_instrument(self)
        return self.scope.cancel_called


def texts_in(state: TallyState) -> list[str]:
    return list(state.texts)


async def ask(tallies: Tallies) -> None:
    await tallies.ask(Count("b"), key("k"))


async def append(tallies: Tallies) -> None:
    await tallies.store.log.append([StreamWrite(tally("raw"), 0, (draft(b"raw"),))])


async def read_the_feed(tallies: Tallies) -> None:
    await tallies.log.read_feed(after=0)
    await tallies.log.read(tally())


async def settled(tallies: Tallies) -> None:
    """Wait until the disk has all that was submitted: commits are made in the order of submits."""
    await tallies.store.log.append([StreamWrite(tally("behind"), 0, (draft(b"behind"),))])
    await trio.testing.wait_all_tasks_blocked()


async def check(tallies: Tallies) -> None:
    """Compare what the log, its heads and the actor say, and go on writing."""
    answer = await tallies.ask(Count("b"), key("k"))
    assert isinstance(answer, Accepted | Replayed)
    assert await tallies.texts() == ["a", "b"]
    assert await tallies.log.head(tally()) == 2
    raw = await tallies.store.log.head(tally("raw"))
    assert len(await tallies.store.log.read(tally("raw"))) == raw
    (appended,) = await tallies.store.log.append(
        [StreamWrite(tally("raw"), raw, (draft(b"more"),))]
    )
    assert appended.version == raw + 1
    assert [one.position for one in await tallies.store.feed.read_feed()] == [
        *range(1, appended.position + 1)
    ]
    with pytest.raises(ParleyError):
        await tallies.ask(Count("c", expected_version=1))
    assert getattr(await tallies.ask(Query(texts_in)), "value", None) == ["a", "b"]


async def cancelled_at(step: int, work: Callable[[Tallies], Awaitable[None]], disk: Disk) -> bool:
    async with tallying(disk) as tallies:
        await tallies.ask(Count("a"))
        tasks = trio.lowlevel.current_statistics().tasks_living
        was_cancelled = await CancelAt(step).run(lambda: work(tallies))
        await trio.testing.wait_all_tasks_blocked()
        with trio.fail_after(5):
            await settled(tallies)
        assert trio.lowlevel.current_statistics().tasks_living == tasks
        with trio.fail_after(5):
            await check(tallies)
    return was_cancelled


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.requirement("G16")
@pytest.mark.parametrize("work", [ask, append, read_the_feed])
@pytest.mark.parametrize("backend", ["memory", "sqlite"])
async def test_a_cancellation_at_any_step_leaves_one_truth_and_nothing_behind(
    work: Callable[[Tallies], Awaitable[None]], backend: str, tmp_path: Path
) -> None:
    files = open_files()
    for step in range(1, STEPS_MAX):
        if backend == "memory":
            was_cancelled = await cancelled_at(step, work, MemoryDisk())
        else:
            with sqlite_disk(tmp_path / str(step)) as disk:
                was_cancelled = await cancelled_at(step, work, disk)
        if not was_cancelled:
            break
    assert 1 < step < STEPS_MAX, "no step was ever cancelled, or all were"
    assert open_files() == files
