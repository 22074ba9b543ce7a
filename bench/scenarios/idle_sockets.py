"""Sockets that say nothing: what each costs the server in memory while it waits."""

import time

from bench.correctness import Counts, Posted, Received, count_kept
from bench.figures import Load, Phase
from bench.load.poller import Poller
from bench.load.writers import Carrier, Socket, settle
from bench.machine import cpu_seconds, resident_bytes
from bench.measuring import Meter
from bench.messages import Key, key_of, text_of
from bench.peers.target import Answer, Delivery, Refusal, Running
from bench.scenario import Bench, Scenario

STEPS = (250, 500, 1000)
"""Open sockets at each look."""

STEPS_QUICK = (10, 30)
WARM_UP_SOCKETS = 50
"""Opened and closed before the first look, so that what the server keeps anyway is there."""

REST_SECONDS = 2.0
KIB = 1024


class Idler:
    """Follows a conversation of its own."""

    def __init__(self, poller: Poller, running: Running, conversation: str) -> None:
        self.conversation = conversation
        self.received = Received(running.first_version)
        self.socket = Socket(poller, running)
        self.socket.on_delivery = self._take

    def follow(self, poller: Poller) -> None:
        """Subscribe and wait for the answer."""
        self.socket.follow(-1, self.conversation)
        settle(poller, lambda: -1 in self.socket.followed, "a subscription")

    def _take(self, delivery: Delivery) -> None:
        self.received.take(delivery.version, key_of(self.conversation, delivery.text))


class Rounds:
    """One connection that writes a message to each of many conversations; its ref says to which."""

    def __init__(self, poller: Poller, running: Running, count: int) -> None:
        self.posted = [Posted(f"conv_idle_{at}") for at in range(count)]
        self._poller = poller
        self._number = 0
        self._carrier: Carrier | None = None
        Socket(poller, running, self)

    def over(self, carrier: Carrier) -> None:
        self._carrier = carrier

    def heard(self, heard: Answer | Refusal) -> None:
        if isinstance(heard, Refusal):
            self.failed(heard.why)
        else:
            self.posted[heard.ref].acked(Key(0, self._number), heard.version)

    def failed(self, why: str) -> None:
        self.posted[0].errors.append(why)

    def write(self) -> None:
        """Write the next message to every conversation, and wait for every answer."""
        assert self._carrier is not None, "no connection"
        key = Key(0, self._number)
        for ref, posted in enumerate(self.posted):
            posted.intended[key] = time.perf_counter()
            self._carrier.send(ref, posted.conversation, text_of(posted.conversation, key))
        settle(self._poller, lambda: all(one.settled for one in self.posted), "a round")
        self._number += 1

    def close(self) -> None:
        if self._carrier is not None:
            self._carrier.close()


class Idle:
    """A server, its conversations, and more and more sockets."""

    def __init__(self, bench: Bench, running: Running, poller: Poller, count: int) -> None:
        self._bench = bench
        self._running = running
        self._poller = poller
        self._rounds = Rounds(poller, running, count)
        self.idlers: list[Idler] = []
        self._looks: list[tuple[int, int]] = []
        """(open sockets, resident bytes) of each look."""

    def prepare(self) -> None:
        """Make the conversations and let the server meet a few sockets."""
        self._rounds.write()
        for posted in self._rounds.posted[:WARM_UP_SOCKETS]:
            idler = Idler(self._poller, self._running, posted.conversation)
            idler.follow(self._poller)
            idler.socket.close()
        self._look()

    def close(self) -> None:
        self._rounds.close()
        for idler in self.idlers:
            idler.socket.close()

    def grow(self, count: int) -> Phase:
        """Open sockets until there are ``count``, rest, and look."""
        meter = Meter(self._running.pid, self._running.folder)
        with meter:
            meter.began = time.perf_counter()
            while len(self.idlers) < count:
                began = time.perf_counter()
                posted = self._rounds.posted[len(self.idlers)]
                idler = Idler(self._poller, self._running, posted.conversation)
                self.idlers.append(idler)
                idler.follow(self._poller)
                meter.answered(began, time.perf_counter())
        more = self._rested()
        counts = self._woken() if count == len(self._rounds.posted) else Counts()
        label = f"{count:,} sockets"
        return self._bench.told(
            meter.phase(Load("closed", window=1), counts, label=label, more=more)
        )

    def _look(self) -> None:
        self._looks.append((len(self.idlers), resident_bytes(self._running.pid)))

    def _rested(self) -> dict[str, float]:
        """Say what the sockets cost while nobody says anything."""
        cpu, began = cpu_seconds(self._running.pid), time.perf_counter()
        self._poller.run_until(began + min(REST_SECONDS, self._bench.seconds))
        share = (cpu_seconds(self._running.pid) - cpu) / (time.perf_counter() - began)
        self._look()
        (none, before), (some, after) = self._looks[0], self._looks[-1]
        return {
            "server MiB": round(after / KIB**2, 1),
            "KiB/socket": round((after - before) / KIB / (some - none), 2),
            "idle CPU %": round(share * 100, 2),
        }

    def _woken(self) -> Counts:
        """Write to every conversation: each socket must still be there and receive it."""
        self._rounds.write()
        settle(
            self._poller,
            lambda: all(idler.received.delivered for idler in self.idlers),
            "the message that wakes an idle socket",
        )
        counts, first = Counts(), self._running.first_version
        for posted, idler in zip(self._rounds.posted, self.idlers, strict=True):
            kept = self._running.kept(posted.conversation)
            counts.add(count_kept(posted, kept, first_version=first))
            counts.add(idler.received.counts(first + len(kept) - 1))
            counts.add(Counts(errors=len(idler.socket.closed)))
        return counts


def run(bench: Bench) -> tuple[list[Phase], dict[str, float | str]]:
    """Measure."""
    steps = [int(step) for step in bench.of(STEPS, STEPS_QUICK)]
    with bench.serving() as running:
        poller = Poller()
        idle = Idle(bench, running, poller, steps[-1])
        try:
            idle.prepare()
            phases = [idle.grow(step) for step in steps]
        finally:
            idle.close()
            poller.close()
    return phases, {"rest_s": min(REST_SECONDS, bench.seconds)}


SCENARIO = Scenario(
    name="idle_sockets",
    title="Idle sockets",
    about=(
        "Authenticated WebSockets, each of which follows a conversation of its own that was made "
        "before. The memory of one is what the server has grown by since there were none, by "
        "their number. Then every conversation gets a message, and every socket must receive it."
    ),
    unit="sockets",
    latency_of="from connecting to the `ok` of the subscription, one socket after another",
    run=run,
    headline="KiB/socket",
)
