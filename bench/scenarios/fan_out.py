"""One conversation, many members: every message goes to everybody who follows it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from bench.correctness import Counts, Posted, Received, count_kept
from bench.figures import Load, Phase
from bench.histogram import Histogram
from bench.load.loops import LEAD_SECONDS, arrivals, closed_loop, open_loop
from bench.load.poller import Poller
from bench.load.writers import Socket, Writer, begin, follow_all
from bench.measuring import Meter
from bench.messages import key_of
from bench.peers.target import Delivery, Running
from bench.scenario import PATIENCE_SECONDS, Bench, Scenario, climbed

MEMBERS = (100, 1000)
MEMBERS_QUICK = (20,)
WINDOWS = {20: 4, 100: 16, 1000: 4}
"""Messages under way in the closed loop: written, and not yet received by every member."""

DELIVERIES_PER_S = (1000, 2000, 4000, 8000, 16000, 32000, 64000, 128000, 256000)
"""What open loops ask for; the rate of messages is that by the number of members."""

DELIVERIES_PER_S_QUICK = (1000,)

OnDelivery = Callable[[Delivery], None]


class Member:
    """Follows the conversation of a phase, and counts what comes."""

    def __init__(self, poller: Poller, running: Running) -> None:
        self.socket = Socket(poller, running)
        self.received = Received(0)


@dataclass
class Room:
    """The members, who stay connected from phase to phase, and the one who writes."""

    bench: Bench
    running: Running
    poller: Poller
    members: list[Member]
    phases: int = 0
    window: int = 0
    group: str = field(init=False)

    def __post_init__(self) -> None:
        self.window = WINDOWS[len(self.members)]
        self.group = f"{len(self.members):,} members"

    def open(self, deliveries_per_s: float) -> Phase:
        """Write at a constant rate."""
        per_s = deliveries_per_s / len(self.members)
        with self._phase() as (writer, meter, wall):
            start = time.perf_counter() + LEAD_SECONDS
            meter.began = start
            due = arrivals(start=start, per_s=per_s, seconds=self.bench.seconds)
            late = open_loop(
                self.poller,
                [(at, writer.send) for at in due],
                done=lambda: wall.whole == len(due) and writer.posted.settled,
                patience_s=PATIENCE_SECONDS,
            )
        return self._measured(Load("open", per_s=per_s), meter, writer, late)

    def closed(self, seconds: float) -> Phase:
        """Keep a window of messages under way."""
        with self._phase() as (writer, meter, wall):

            def start(until: float) -> None:
                def everybody_has_it(now: float) -> None:
                    if now < until:
                        writer.send(now)

                wall.on_whole = everybody_has_it
                meter.began = time.perf_counter()
                for _ in range(self.window):
                    writer.send(time.perf_counter())

            closed_loop(
                self.poller,
                start,
                seconds=seconds,
                done=lambda: wall.whole == writer.sent - 1 and writer.posted.settled,
                patience_s=PATIENCE_SECONDS,
            )
        return self._measured(Load("closed", window=self.window), meter, writer, None)

    @contextmanager
    def _phase(self) -> "Iterator[tuple[Writer, Meter, Wall]]":
        """Make a conversation that everybody follows."""
        self.phases += 1
        writer = Writer(Posted(f"conv_room_{self.phases}"))
        Socket(self.poller, self.running, writer)
        begin(self.poller, [writer])
        meter = Meter(self.running.pid, self.running.folder)
        wall = Wall(writer.posted, len(self.members), meter)
        self._follow(writer.posted.conversation, wall)
        try:
            with meter:
                yield writer, meter, wall
        finally:
            writer.close()

    def _follow(self, conversation: str, wall: "Wall") -> None:
        for member in self.members:
            member.received = Received(self.running.first_version)
            member.socket.on_delivery = wall.of(member.received)
        wanted = [(member.socket, conversation) for member in self.members]
        follow_all(self.poller, wanted, -self.phases)

    def _measured(self, load: Load, meter: Meter, writer: Writer, late: Histogram | None) -> Phase:
        posted, first = writer.posted, self.running.first_version
        kept = self.running.kept(posted.conversation)
        counts = count_kept(posted, kept, first_version=first)
        for member in self.members:
            counts.add(member.received.counts(first + len(kept) - 1))
            counts.add(Counts(errors=len(member.socket.closed)))
            member.socket.closed.clear()
        label = None
        if load.per_s is not None:
            label = f"{load.per_s:g} message{'s' * (load.per_s != 1)}/s"
        messages = round((len(posted.intended) - 1) / max(meter.ended - meter.began, 1e-9), 1)
        phase = meter.phase(
            load, counts, group=self.group, late=late, label=label, more={"messages/s": messages}
        )
        return self.bench.told(phase)


class Wall:
    """Notes every delivery, and when everybody has a message."""

    def __init__(self, posted: Posted, members: int, meter: Meter) -> None:
        self._posted = posted
        self._members = members
        self._meter = meter
        self._holders: dict[int, int] = {}
        self.whole = 0
        self.on_whole: Callable[[float], None] = _nothing

    def of(self, received: Received) -> OnDelivery:
        """Return what a member does with a delivery."""
        posted, meter, holders = self._posted, self._meter, self._holders

        def take(delivery: Delivery) -> None:
            now = time.perf_counter()
            version, text = delivery
            key = key_of(posted.conversation, text)
            if not received.take(version, key) or key is None or key not in posted.intended:
                return
            meter.answered(posted.intended[key], now)
            held = holders[version] = holders.get(version, 0) + 1
            if held == self._members:
                self.whole += 1
                self.on_whole(now)

        return take


def _nothing(now: float) -> None:
    del now


def run(bench: Bench) -> tuple[list[Phase], dict[str, float | str]]:
    """Measure."""
    phases: list[Phase] = []
    for count in bench.of(MEMBERS, MEMBERS_QUICK):
        bench.say(f"{count:,} members connect")
        with bench.serving() as running:
            phases += _room(bench, running, int(count))
    return phases, {}


def _room(bench: Bench, running: Running, count: int) -> list[Phase]:
    poller = Poller()
    members: list[Member] = []
    try:
        members += [Member(poller, running) for _ in range(count)]
        room = Room(bench, running, poller, members)
        room.closed(bench.warm_up_s)
        rates = bench.of(DELIVERIES_PER_S, DELIVERIES_PER_S_QUICK)
        return [*climbed(rates, room.open), room.closed(bench.seconds)]
    finally:
        for member in members:
            member.socket.close()
        poller.close()


SCENARIO = Scenario(
    name="fan_out",
    title="Fan-out",
    about=(
        "One connection writes to one conversation, and every member follows it on a WebSocket of "
        "its own. Every delivery of every member is checked for its version and its text. In the "
        "closed loop a message is under way until every member has it; `closed, 16` keeps 16."
    ),
    unit="deliveries",
    latency_of="from the intended send to the receipt by a member, over all members",
    run=run,
)
