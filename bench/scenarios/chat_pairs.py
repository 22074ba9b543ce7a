"""Pairs who chat: two sockets each, in a conversation of their own, writing in turn."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bench.correctness import Counts, Posted, Received, count_kept
from bench.figures import Load, Phase
from bench.histogram import Histogram
from bench.load.loops import LEAD_SECONDS, Moment, arrivals, closed_loop, open_loop
from bench.load.poller import Poller
from bench.load.writers import Socket, Writer, begin, follow_all
from bench.measuring import Meter
from bench.messages import key_of
from bench.peers.target import Delivery, Running
from bench.scenario import PATIENCE_SECONDS, Bench, Scenario, climbed

PAIRS = 100
PAIRS_QUICK = 5
RATES = (50, 100, 200, 400, 800, 1200, 1600, 2400, 3200, 6400, 12800)
RATES_QUICK = (100,)


class Side:
    """One of the two: writes, and receives what both write."""

    def __init__(self, poller: Poller, running: Running, posted: Posted, author: int) -> None:
        self.writer = Writer(posted, author)
        self.socket = Socket(poller, running, self.writer)
        self.received = Received(running.first_version)


class Pair:
    """Two sides and their conversation."""

    def __init__(self, poller: Poller, running: Running, name: str) -> None:
        self.posted = Posted(name)
        self.sides = [Side(poller, running, self.posted, author) for author in (0, 1)]
        self._turn = 0

    def send(self, intended: float) -> None:
        """Let the side whose turn it is write."""
        side = self.sides[self._turn % 2]
        self._turn += 1
        side.writer.send(intended)

    @property
    def settled(self) -> bool:
        """Whether both sides have everything, and every message is acknowledged."""
        sent = len(self.posted.intended) - 1
        return self.posted.settled and all(side.received.delivered >= sent for side in self.sides)


@dataclass
class Chat:
    """Many pairs at one running server."""

    bench: Bench
    running: Running
    pairs: int
    phases: int = 0

    def open(self, per_s: float) -> Phase:
        """Let the pairs write one after another, at a constant rate of all together."""
        with self._chatting() as (poller, pairs, meter):
            start = time.perf_counter() + LEAD_SECONDS
            meter.began = start
            due = arrivals(start=start, per_s=per_s, seconds=self.bench.seconds)
            moments: list[Moment] = [
                (at, pairs[number % len(pairs)].send) for number, at in enumerate(due)
            ]
            for pair in pairs:
                _listen(pair, meter, until=0.0)
            late = open_loop(poller, moments, done=_settled(pairs), patience_s=PATIENCE_SECONDS)
        return self._measured(Load("open", per_s=per_s), meter, pairs, late)

    def closed(self, seconds: float) -> Phase:
        """Let every pair play ping-pong: who has received a message writes the next."""
        with self._chatting() as (poller, pairs, meter):

            def start(until: float) -> None:
                meter.began = time.perf_counter()
                for pair in pairs:
                    _listen(pair, meter, until=until)
                    pair.send(time.perf_counter())

            closed_loop(
                poller, start, seconds=seconds, done=_settled(pairs), patience_s=PATIENCE_SECONDS
            )
        return self._measured(Load("closed", window=self.pairs), meter, pairs, None)

    @contextmanager
    def _chatting(self) -> Iterator[tuple[Poller, list[Pair], Meter]]:
        self.phases += 1
        poller, pairs = Poller(), list[Pair]()
        try:
            for at in range(self.pairs):
                pairs.append(Pair(poller, self.running, f"conv_pair_{self.phases}_{at}"))
            begin(poller, [pair.sides[0].writer for pair in pairs])
            wanted = [
                (side.socket, pair.posted.conversation) for pair in pairs for side in pair.sides
            ]
            follow_all(poller, wanted, -1)
            with Meter(self.running.pid, self.running.folder) as meter:
                yield poller, pairs, meter
        finally:
            for pair in pairs:
                for side in pair.sides:
                    side.socket.close()
            poller.close()

    def _measured(
        self, load: Load, meter: Meter, pairs: list[Pair], late: Histogram | None
    ) -> Phase:
        first = self.running.first_version
        counts = Counts()
        for pair in pairs:
            kept = self.running.kept(pair.posted.conversation)
            counts.add(count_kept(pair.posted, kept, first_version=first))
            for side in pair.sides:
                counts.add(side.received.counts(first + len(kept) - 1))
        return meter.phase(load, counts, late=late)


def _listen(pair: Pair, meter: Meter, *, until: float) -> None:
    """Count what both sides receive; before ``until``, answer what the other has written."""
    for author, side in enumerate(pair.sides):
        side.socket.on_delivery = _hearing(pair, side, author, meter, until)


def _hearing(
    pair: Pair, side: Side, author: int, meter: Meter, until: float
) -> Callable[[Delivery], None]:
    posted = pair.posted

    def take(delivery: Delivery) -> None:
        now = time.perf_counter()
        key = key_of(posted.conversation, delivery.text)
        first = side.received.take(delivery.version, key)
        if first and key is not None and key.author != author and key in posted.intended:
            meter.answered(posted.intended[key], now)
            if now < until:
                pair.send(now)

    return take


def _settled(pairs: list[Pair]) -> Callable[[], bool]:
    return lambda: all(pair.settled for pair in pairs)


def run(bench: Bench) -> tuple[list[Phase], dict[str, float | str]]:
    """Measure."""
    count = PAIRS_QUICK if bench.quick else PAIRS
    with bench.serving() as running:
        chat = Chat(bench, running, count)
        chat.closed(bench.warm_up_s)
        phases = climbed(bench.of(RATES, RATES_QUICK), lambda per_s: bench.told(chat.open(per_s)))
        phases.append(bench.told(chat.closed(bench.seconds)))
    return phases, {"pairs": count, "sockets": 2 * count}


SCENARIO = Scenario(
    name="chat_pairs",
    title="Chat in pairs",
    about=(
        "Two sockets a pair, each pair in a conversation of its own, which both follow and both "
        "write to in turn. A message goes to both. In the closed loop every pair plays ping-pong."
    ),
    unit="messages",
    latency_of="from the intended send to the receipt by the other side",
    run=run,
)
