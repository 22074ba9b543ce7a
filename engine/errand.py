"""Coroutines that are carried by hand, and get a task only when they must wait for more (shell).

A command mostly waits once, for its receipt. A task for it would cost five times what the command
costs. So a door drives the coroutine itself, up to its end or to a :class:`Reply` that is not there
yet; what else it may wait for stands behind :func:`in_task`, where the rest becomes a trio task.
"""

import types
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Generic, NamedTuple, TypeVar

import trio
from trio._core import _run as trio_run

T = TypeVar("T")

Done = Callable[[Any, Exception | None], None]
"""Called once, on the loop: with what the coroutine returned, or with what it raised."""

_IN_TASK = object()
_by_hand = False


class Reply(Generic[T]):
    """One answer that somebody waits for, in a task or by hand."""

    __slots__ = ("_answer", "_resume", "_there")

    def __init__(self) -> None:
        """Start without the answer."""
        self._there = False
        self._answer: T | None = None
        self._resume: Callable[[], None] | None = None

    def give(self, answer: T) -> None:
        """Hand the answer over; whoever waits by hand goes on before this returns.

        A second answer is dropped.
        """
        if self._there:
            return
        self._there = True
        self._answer = answer
        resume, self._resume = self._resume, None
        if resume is not None:
            resume()

    async def within(self, seconds: float) -> T | None:
        """Return the answer; ``None`` when it has not come in time.

        By hand the time is that of the :class:`Errands`, whatever ``seconds`` says: it is meant for
        answers that all have the same time to come.
        """
        if not self._there:
            if _by_hand:
                await _pause(self)
                self._resume = None  # who goes on because time is over is not resumed later
            else:
                answered = trio.Event()
                self._resume = answered.set
                with trio.move_on_after(seconds):
                    await answered.wait()
        return self._answer

    async def given(self) -> T | None:
        """Return the answer, however long it takes: somebody else sees to its time."""
        if not self._there:
            if _by_hand:
                await _pause(_Untimed(self))
            else:
                answered = trio.Event()
                self._resume = answered.set
                await answered.wait()
        return self._answer

    def when_there(self, resume: Callable[[], None]) -> None:
        """Call ``resume`` as soon as the answer is there."""
        self._resume = resume


class _Untimed(NamedTuple):
    """A wait that ends by itself."""

    reply: Reply[Any]


@types.coroutine
def _pause(what: object) -> Generator[object, None, None]:
    """Let whoever drives the coroutine by hand know what it waits for."""
    yield what


async def in_task() -> None:
    """Return in a trio task: what follows may wait for whatever trio has."""
    if _by_hand:
        await _pause(_IN_TASK)


class Errands:
    """Carries coroutines by hand. Its nursery takes those that need a task."""

    def __init__(self, *, seconds: float) -> None:
        """Let a :class:`Reply` take at most ``seconds``."""
        self._seconds = seconds
        self._nursery: trio.Nursery | None = None
        self._waiting: OrderedDict[Errand, float] = OrderedDict()

    def __len__(self) -> int:
        """Return how many wait for a reply by hand."""
        return len(self._waiting)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Lend errands a nursery, and end waits that have lasted too long, until cancelled."""
        try:
            async with trio.open_nursery() as self._nursery:
                task_status.started()
                while True:
                    await trio.sleep(self._seconds / 8)
                    self._end_long_waits()
        finally:
            self._nursery = None

    def begin(self, coroutine: Coroutine[Any, Any, Any], done: Done) -> None:
        """Carry ``coroutine`` to its first wait or to its end.

        ``done`` may be called before this returns, and must not raise.
        """
        Errand(self, coroutine, done).step()

    def wait(self, errand: "Errand") -> None:
        """Note that an errand waits for a reply."""
        self._waiting[errand] = trio.current_time() + self._seconds

    def resume(self, errand: "Errand") -> None:
        """Go on with an errand that has waited; harmless when it went on before."""
        if self._waiting.pop(errand, None) is not None:
            errand.step()

    def take_over(self, carry: Callable[[], Coroutine[Any, Any, None]]) -> bool:
        """Run the rest of an errand as a task; say whether there is still a place for it."""
        if self._nursery is None:
            return False
        self._nursery.start_soon(carry)
        return True

    def _end_long_waits(self) -> None:
        now = trio.current_time()
        while self._waiting:
            errand, until = next(iter(self._waiting.items()))
            if until > now:
                return
            self.resume(errand)


class Errand:
    """One coroutine under way."""

    __slots__ = ("_coroutine", "_done", "_errands")

    def __init__(self, errands: Errands, coroutine: Coroutine[Any, Any, Any], done: Done) -> None:
        """Carry ``coroutine`` for ``errands``."""
        self._errands = errands
        self._coroutine = coroutine
        self._done = done

    def step(self) -> None:
        """Go on until the next wait, or to the end."""
        result, failure = None, None
        try:
            waits_for = _driven(self._coroutine)
        except StopIteration as end:
            result = end.value
        except Exception as error:  # noqa: BLE001 - handed to whoever began it
            failure = error
        else:
            self._wait(waits_for)
            return
        self._done(result, failure)

    def _wait(self, waits_for: Any) -> None:
        if isinstance(waits_for, Reply):
            self._errands.wait(self)
            waits_for.when_there(self._resume)
        elif isinstance(waits_for, _Untimed):
            waits_for.reply.when_there(self.step)
        elif waits_for is not _IN_TASK:
            self._fail(AssertionError("a coroutine by hand waits for trio outside of in_task"))
        elif not self._errands.take_over(self._carry):
            self._fail(trio.RunFinishedError("no errand becomes a task any more"))

    def _resume(self) -> None:
        self._errands.resume(self)

    def _fail(self, error: Exception) -> None:
        self._coroutine.close()
        self._done(None, error)

    async def _carry(self) -> None:
        result, failure = None, None
        try:
            result = await _Rest(self._coroutine)
        except Exception as error:  # noqa: BLE001 - handed to whoever began it
            failure = error
        self._done(result, failure)


class _Rest:
    """What is left of a coroutine that was begun by hand, for a task to await."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._coroutine = coroutine

    def __await__(self) -> Generator[Any, Any, Any]:
        coroutine = self._coroutine
        try:
            trap = coroutine.send(None)
            while True:
                try:
                    answer = yield trap
                except BaseException as error:  # noqa: ASYNC103, BLE001 - it goes on inside
                    trap = coroutine.throw(error)
                else:
                    trap = coroutine.send(answer)
        except StopIteration as end:
            return end.value


def _driven(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Go on with ``coroutine`` by hand; return what it waits for.

    Meanwhile there is no current task for trio to find: whatever waits for trio without having
    asked for a task fails at once, instead of parking the task of whoever happens to drive.
    """
    global _by_hand  # noqa: PLW0603 - whose turn it is, is a fact of the one thread
    context = trio_run.GLOBAL_RUN_CONTEXT
    task, before = getattr(context, "task", None), _by_hand
    if task is not None:
        del context.task
    _by_hand = True
    try:
        return coroutine.send(None)
    finally:
        _by_hand = before
        if task is not None:
            context.task = task
