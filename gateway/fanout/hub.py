"""Who is in which conversation right now: signals go around the log, from socket to socket (shell).

Nothing of it is stored, and nothing of it enters a mailbox. One task of the node watches over
whatever ends by itself; while nobody types and nobody is about to leave, it waits for nothing.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Protocol

import trio

from engine.conversation.events import Author
from engine.conversation.marks import Mark
from engine.events.envelope import rfc3339
from gateway.fanout.presences import Presences, PresenceState, PresenceTold, Present
from gateway.fanout.roll import Seat
from gateway.fanout.signals import Signal
from gateway.fanout.typists import TypingState, TypingTold, Typists
from gateway.limits import MARKS_TOLD_REMEMBERED


class Member(Protocol):
    """A subscriber that can be given a signal."""

    @property
    def staff(self) -> bool:
        """Say whether it may hear what is among staff."""

    def signal(self, signal: Signal) -> None:
        """Take it or drop it: a signal is worth nothing later."""


class Hub:
    """The members of every conversation of one environment, and what they signal."""

    def __init__(self, wake: Callable[["Hub"], None] | None = None) -> None:
        """Start empty; ``wake`` is called when ``lapse`` is to be called later."""
        self._members: dict[str, dict[Member, None]] = {}
        self._wake = wake
        self._typists = Typists()
        self._presences = Presences()
        self._marks: OrderedDict[tuple[str, Author], int] = OrderedDict()

    @property
    def next(self) -> float:
        """Return when ``lapse`` has something to do, on trio's clock; infinity for never."""
        return min(self._typists.next, self._presences.next)

    def join(self, conversation_id: str, member: Member) -> None:
        """Give ``member`` the signals of a conversation from now on."""
        self._members.setdefault(conversation_id, {})[member] = None

    def leave(self, conversation_id: str, member: Member) -> None:
        """Give it no more, and stop what it types there; harmless when it has left already."""
        members = self._members.get(conversation_id)
        if members:
            members.pop(member, None)
            if not members:
                del self._members[conversation_id]
        self._tell_typing(self._typists.leave(member, conversation_id))

    def withdraw(self, conversation_id: str, member: Member) -> None:
        """Let a member that may not be here any longer leave, and end its presence at once."""
        self.leave(conversation_id, member)
        now, now_ms = trio.current_time(), _wall_ms()
        self._tell_presence(
            self._presences.withdraw(member, conversation_id, now=now, now_ms=now_ms)
        )
        self._look_again()

    def close(self, member: Member) -> None:
        """A socket closed: it types no longer, and is present for a short grace.

        It has left every conversation already.
        """
        self._tell_typing(self._typists.leave(member))
        self._presences.close(member, now=trio.current_time())
        self._look_again()

    def tell(
        self, signal: Signal, *, sender: Member | None, to_customers: Signal | None = None
    ) -> int:
        """Hand a signal to every member that may hear it but the sender; return to how many.

        What is among staff reaches customers as ``to_customers``, if at all.
        """
        heard = 0
        for member in tuple(self._members.get(signal.conversation, ())):
            shown = signal if member.staff or not signal.staff_only else to_customers
            if member is not sender and shown is not None:
                member.signal(shown)
                heard += 1
        return heard

    def typing(self, seat: Seat, state: TypingState, *, sender: Member | None) -> int:
        """Let an author type or stop; return how many others were told.

        Raises:
            OutOfRangeError: too many type in this conversation, or by this sender.
            BusyError: too many type in this environment.
        """
        if state == "start":
            tell = self._typists.start(seat, sender, trio.current_time())
            self._look_again()
        else:
            tell = self._typists.stop(seat)
        return self._tell_typing([TypingTold(seat, state, sender)] if tell else [])

    def presence(self, seat: Seat, state: PresenceState, *, sender: Member | None) -> int:
        """Take a word on an author's presence; return how many others were told.

        Raises:
            OutOfRangeError: too many are present in this conversation, or by this sender.
            BusyError: too many are present in this environment.
        """
        now, now_ms = trio.current_time(), _wall_ms()
        told = self._presences.say(seat, state, sender, now=now, now_ms=now_ms)
        self._look_again()
        return self._tell_presence(told, sender=sender)

    def present(self, conversation_id: str) -> list[Present]:
        """Return who is present in a conversation, in the order they came."""
        return self._presences.present(conversation_id)

    def read(self, mark: Mark, shown: Mark | None, *, sender: Member | None) -> int:
        """Tell how far a reader has come, unless that was told; return to how many.

        Customers hear of it as ``shown``: not of versions they do not see, nor of every reader.
        """
        name = (mark.conversation_id, mark.reader)
        if self._marks.get(name, -1) >= mark.version:
            return 0
        self._marks[name] = mark.version
        self._marks.move_to_end(name)
        if len(self._marks) > MARKS_TOLD_REMEMBERED:
            self._marks.popitem(last=False)
        signal = _read_signal(mark, staff_only=shown != mark)
        return self.tell(signal, sender=sender, to_customers=_read_signal(shown) if shown else None)

    def forget_marks(self) -> None:
        """Keep no word of who has read how far: it may be told once more."""
        self._marks.clear()

    def lapse(self) -> None:
        """End what has lasted long enough, and tell what had to wait."""
        now = trio.current_time()
        self._tell_typing(self._typists.lapse(now))
        self._tell_presence(self._presences.lapse(now, _wall_ms()))

    def _tell_typing(self, told: Iterable[TypingTold]) -> int:
        return sum(
            self.tell(
                Signal(
                    "typing",
                    seat.conversation,
                    {"state": state, "author": seat.author, "visibility": seat.visibility},
                    staff_only=seat.visibility == "note",
                ),
                sender=source,
            )
            for seat, state, source in told
        )

    def _tell_presence(self, told: Iterable[PresenceTold], *, sender: Member | None = None) -> int:
        return sum(
            self.tell(
                Signal(
                    "presence",
                    seat.conversation,
                    {"author": seat.author, "state": state, "since": rfc3339(since_ms)},
                ),
                sender=sender,
            )
            for seat, state, since_ms in told
        )

    def _look_again(self) -> None:
        if self._wake is not None:
            self._wake(self)


class Hubs:
    """One hub per environment: two tenants' conversations never meet."""

    def __init__(self) -> None:
        """Start empty."""
        self._hubs: dict[tuple[str, str], Hub] = {}
        self._busy: dict[Hub, None] = {}
        self._until = float("inf")
        self._woken = trio.Event()

    def of(self, workspace: str, environment: str) -> Hub:
        """Return the hub of an environment."""
        hub = self._hubs.get((workspace, environment))
        if hub is None:
            hub = self._hubs[workspace, environment] = Hub(self._wake)
        return hub

    async def run(self) -> None:
        """Watch over what ends by itself in any hub, until cancelled."""
        while True:
            self._until = min((hub.next for hub in self._busy), default=float("inf"))
            with trio.move_on_at(self._until):
                await self._woken.wait()
            self._woken = trio.Event()
            for hub in tuple(self._busy):
                hub.lapse()
                if hub.next == float("inf"):
                    del self._busy[hub]

    def _wake(self, hub: Hub) -> None:
        self._busy[hub] = None
        if hub.next < self._until:
            self._woken.set()


def _read_signal(mark: Mark, *, staff_only: bool = False) -> Signal:
    members = {"reader": mark.reader, "version": mark.version}
    return Signal("read", mark.conversation_id, members, staff_only=staff_only)


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000
