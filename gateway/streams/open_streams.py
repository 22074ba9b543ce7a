"""The SSE and NDJSON answers that are open right now, so that a stopping server can end them."""

from collections import Counter

from gateway.realtime.outbound import Outbound


class OpenStreams:
    """What feeds each open stream of this node."""

    def __init__(self) -> None:
        """Start without one."""
        self._open: dict[Outbound, str] = {}
        self.counts: Counter[str] = Counter()
        """How many are open, by media type."""
        self._finishing = False

    def add(self, outbound: Outbound, media_type: str) -> None:
        """Note that a stream was opened."""
        self._open[outbound] = media_type
        self.counts[media_type] += 1
        if self._finishing:
            outbound.finish()

    def discard(self, outbound: Outbound) -> None:
        """Note that it has ended; harmless when it was noted before."""
        media_type = self._open.pop(outbound, None)
        if media_type is not None:
            self.counts[media_type] -= 1

    def finish(self) -> None:
        """Let every stream end as soon as what waits for it is sent; clients connect again."""
        self._finishing = True
        for outbound in tuple(self._open):
            outbound.finish()
