"""The two ways of offering load.

*Open*: what is to be done has a moment, whatever the server does meanwhile, and its latency counts
from that moment. A server that stalls is charged for everything that came due during the stall.
*Closed*: the next is sent when an answer comes. It shows the most a server can take, and hides a
stall: while the server does not answer, nothing is sent that could wait.
"""

import time
from collections.abc import Callable, Iterable

from bench.histogram import Histogram
from bench.load.poller import Poller

LEAD_SECONDS = 0.05
"""Before the first moment of a schedule."""

Act = Callable[[float], None]
Moment = tuple[float, Act]


def arrivals(*, start: float, per_s: float, seconds: float) -> list[float]:
    """Return the moments of a constant arrival rate, at least one."""
    return [start + at / per_s for at in range(max(1, round(per_s * seconds)))]


def open_loop(
    poller: Poller, moments: Iterable[Moment], *, done: Callable[[], bool], patience_s: float
) -> Histogram:
    """Do everything at its moment, then wait until ``done()``, at most ``patience_s``.

    Return how late the generator itself was: a latency holds that, too.
    """
    late = Histogram()
    for intended, act in moments:
        poller.run_until(intended)
        late.record(max(0.0, time.perf_counter() - intended))
        act(intended)
    poller.run_until(time.perf_counter() + patience_s, enough=done)
    return late


def closed_loop(
    poller: Poller,
    begin: Callable[[float], None],
    *,
    seconds: float,
    done: Callable[[], bool],
    patience_s: float,
) -> None:
    """Call ``begin`` with the moment at which nothing more is to be sent, and serve what follows.

    Whoever begins sends the first messages, and at each answer, before that moment, the next.
    """
    until = time.perf_counter() + seconds
    begin(until)
    poller.run_until(until)
    poller.run_until(time.perf_counter() + patience_s, enough=done)
