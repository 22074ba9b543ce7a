"""Finds the place that a position names, in one stream or in the whole environment (shell)."""

from collections.abc import Callable
from dataclasses import dataclass

from engine.errors import BadPositionError, BadVersionError
from engine.log.cursor import AtEvent, AtPosition, AtTime, AtVersion, Position
from engine.log.log import Log
from persistence.records import Stream


@dataclass(frozen=True, slots=True)
class Start:
    """Where to read on: behind version ``after`` of a stream, or behind a position of the feed."""

    after: int
    reset: bool = False
    """The position was of another epoch: the reader's history is gone and it starts anew."""


class Positions:
    """Resolves every form of position against one environment's log."""

    def __init__(self, log: Log, now_ms: Callable[[], int]) -> None:
        """Read ``log``; relative times count from ``now_ms``."""
        self._log = log
        self._now_ms = now_ms

    def parse(self, text: str) -> Position:
        """Return the position in ``text``. Errors as :meth:`CursorMaker.parse`."""
        return self._log.cursors.parse(text, now_ms=self._now_ms())

    async def in_stream(
        self, stream: Stream, position: Position, *, head: int, audience: str
    ) -> Start:
        """Return the version to read behind.

        Args:
            stream: the conversation.
            position: in any form.
            head: the newest version that the reader may see; what lies behind it is not told.
            audience: whose eyes the reader has.

        Raises:
            BadVersionError: the stream has no such version for this reader.
            BadPositionError: an event that is not here.
        """
        if isinstance(position, AtVersion):
            return self._version(position, head)
        if isinstance(position, AtEvent):
            return Start(await self._version_of(position.uuid, stream, audience))
        start = await self.in_feed(position)
        if start.reset:
            return start
        return Start(await self._log.version_at(stream, start.after))

    async def in_feed(self, position: Position) -> Start:
        """Return the position of the environment to read behind.

        Raises:
            BadPositionError: a version (it belongs to one stream), or an event that is not here.
            BadVersionError: a position that was not reached yet.
        """
        match position:
            case AtPosition(epoch=epoch) if epoch != self._log.epoch:
                return Start(0, reset=True)
            case AtPosition(position=place):
                return Start(self._reached(place))
            case AtTime(time_ms=time_ms):
                return Start(await self._log.position_at(time_ms))
            case AtEvent(uuid=uuid):
                return Start(await self._position_of(uuid))
            case AtVersion():
                detail = "a version belongs to one conversation: name it with conversation="
                raise BadPositionError(detail)

    async def head(self, stream: Stream) -> Start:
        """Return the newest version of a stream: read only what comes."""
        return Start(await self._log.head(stream))

    def _version(self, position: AtVersion, head: int) -> Start:
        if position.epoch is not None and position.epoch != self._log.epoch:
            return Start(0, reset=True)
        if position.version > head:
            detail = f"there is no version {position.version} yet"
            raise BadVersionError(detail)
        return Start(position.version)

    async def _version_of(self, uuid: bytes, stream: Stream, audience: str) -> int:
        event = await self._log.find(uuid)
        if event is None or event.stream != stream or not event.seen_by(audience):
            detail = "there is no such event here"
            raise BadPositionError(detail)
        return event.version

    async def _position_of(self, uuid: bytes) -> int:
        event = await self._log.find(uuid)
        if event is None:
            detail = "there is no such event here"
            raise BadPositionError(detail)
        return event.position

    def _reached(self, position: int) -> int:
        if position > self._log.committed():
            detail = "this cursor lies behind the end of the log"
            raise BadVersionError(detail)
        return position
