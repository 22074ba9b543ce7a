"""Where each stream and the log end, counting what is submitted and not yet committed."""

from collections import OrderedDict
from collections.abc import Callable

from persistence.limits import HEADS_REMEMBERED
from persistence.records import Stream


class Head:
    """The end of one stream."""

    __slots__ = ("stream_id", "version", "waiting")

    def __init__(self, stream_id: int, version: int) -> None:
        """Start from what is on disk; ``stream_id`` is 0 for a stream without records."""
        self.stream_id = stream_id
        self.version = version
        self.waiting = 0
        """Submits of this stream that are not answered yet."""


class Heads:
    """The heads used last. One that has submits waiting is not on disk yet, so it stays."""

    def __init__(
        self, look_up: Callable[[Stream], Head], remembered: int = HEADS_REMEMBERED
    ) -> None:
        """Ask ``look_up`` for heads that are not in memory; keep ``remembered`` of them."""
        self._look_up = look_up
        self._remembered = remembered
        self._heads: OrderedDict[Stream, Head] = OrderedDict()
        self.position = 0
        """The last position given out."""
        self.stream_id = 0
        """The last stream id given out."""

    def __len__(self) -> int:
        """Return how many heads are in memory."""
        return len(self._heads)

    def forget(self, *, position: int, stream_id: int) -> None:
        """Start anew from the ends that were read from disk."""
        self._heads.clear()
        self.position = position
        self.stream_id = stream_id

    def remembered(self, stream: Stream) -> Head | None:
        """Return the head of ``stream`` if it is in memory."""
        return self._heads.get(stream)

    def of(self, stream: Stream) -> Head:
        """Return the head of ``stream``; one index read if it is not in memory."""
        head = self._heads.get(stream)
        if head is None:
            head = self._heads[stream] = self._look_up(stream)
        # The order of use costs as much as the look-up: it is kept only when it is soon needed.
        elif len(self._heads) > self._remembered // 2:
            self._heads.move_to_end(stream)
        return head

    def trim(self) -> None:
        """Forget the heads used longest ago; whoever holds an idle one must ask for it again."""
        excess = len(self._heads) - self._remembered
        if excess <= 0:
            return
        idle = (stream for stream, head in self._heads.items() if not head.waiting)
        for stream in [stream for stream, _ in zip(idle, range(excess), strict=False)]:
            del self._heads[stream]
