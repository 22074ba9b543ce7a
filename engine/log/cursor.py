"""Every way to name a position, in one module: made, parsed and compared here and nowhere else.

A *cursor* is opaque: epoch and position with a short MAC, so that a store with shards can stand
behind it later. ``parse`` accepts any of: version, ETag, event id, cursor, time. Pure.
"""

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from engine import crypto, ids
from engine.errors import BadCursorError, BadPositionError

PREFIX = "cur_"
MAC_BYTES = 6
POSITION_BYTES = 6

_URL_SAFE = bytes.maketrans(b"+/", b"-_")

_ETAG = re.compile(r'"?([a-z2-7]{8})\.(\d{1,15})"?', re.ASCII)
_VERSION = re.compile(r'"?(\d{1,15})"?', re.ASCII)
_RELATIVE = re.compile(r"now(?:-(\d{1,9})([smhdw])|-(P[0-9WDTHMS.]+))?", re.ASCII)
_DURATION = re.compile(
    r"P(?:(?P<w>\d{1,6})W)?(?:(?P<d>\d{1,6})D)?(?:T(?:(?P<h>\d{1,6})H)?(?:(?P<m>\d{1,6})M)?(?:(?P<s>\d{1,9})S)?)?"
)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_TIME = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)
"""RFC 3339, section 5.6: ``fromisoformat`` alone takes week dates and times without seconds too."""


@dataclass(frozen=True, slots=True)
class AtVersion:
    """A version of one stream; ``epoch`` is known when it came as an ETag."""

    version: int
    epoch: str | None = None


@dataclass(frozen=True, slots=True)
class AtEvent:
    """An event, by the 16 bytes of its id."""

    uuid: bytes


@dataclass(frozen=True, slots=True)
class AtPosition:
    """A position of the environment, from a cursor whose MAC is right."""

    position: int
    epoch: str


@dataclass(frozen=True, slots=True)
class AtTime:
    """A moment, in Unix milliseconds."""

    time_ms: int


Position = AtVersion | AtEvent | AtPosition | AtTime


def etag(epoch: str, version: int) -> str:
    """Return the strong ETag (RFC 9110) of a stream at a version."""
    return f'"{epoch}.{version}"'


class CursorMaker:
    """Makes the cursors of one environment and knows them again."""

    def __init__(self, key: bytes, epoch: str) -> None:
        """Sign with the environment's ``key``; new cursors carry ``epoch``."""
        self._mac = crypto.keyed_mac(key, MAC_BYTES)
        self._epoch = epoch.encode()
        self.epoch = epoch

    def make(self, position: int) -> str:
        """Return the cursor of a position (0 = before everything)."""
        body = self._epoch + position.to_bytes(POSITION_BYTES, "big")
        signed = binascii.b2a_base64(body + self._mac(body), newline=False)
        return PREFIX + signed.translate(_URL_SAFE, b"=").decode()

    def open(self, text: str) -> AtPosition:
        """Return what a cursor says.

        Raises:
            BadCursorError: not made here, cut short, changed, or another environment's.
        """
        signed = _base64(text.removeprefix(PREFIX))
        body, mac = signed[:-MAC_BYTES], signed[-MAC_BYTES:]
        if len(body) != 8 + POSITION_BYTES or not crypto.same(mac, self._mac(body)):
            detail = "this cursor was not made here; take one from an event or a response"
            raise BadCursorError(detail)
        return AtPosition(int.from_bytes(body[8:], "big"), body[:8].decode())

    def parse(self, text: str, *, now_ms: int) -> Position:
        """Return the position that ``text`` names.

        Args:
            text: ``17``, ``"17"``, ``"<epoch>.17"``, ``evt_…``, ``cur_…``, an RFC 3339 time with a
                zone, ``now``, ``now-90s`` (s, m, h, d, w) or ``now-PT1M`` (ISO 8601 duration). A
                leap second is no time, since the log counts Unix milliseconds.
            now_ms: the environment's time, in Unix milliseconds.

        Raises:
            BadCursorError: a cursor that was not made here.
            BadPositionError: none of these forms, or a moment before 1970.
        """
        if text.startswith(PREFIX):
            return self.open(text)
        if found := _VERSION.fullmatch(text):
            return AtVersion(int(found[1]))
        if found := _ETAG.fullmatch(text):
            return AtVersion(int(found[2]), epoch=found[1])
        if uuid := ids.uuid_of(ids.EVENT, text):
            return AtEvent(uuid)
        return AtTime(_time_ms(text, now_ms))


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return b""


def _time_ms(text: str, now_ms: int) -> int:
    if found := _RELATIVE.fullmatch(text):
        return _since_1970(now_ms - _duration_ms(found))
    if _TIME.fullmatch(text):
        try:
            moment = datetime.fromisoformat(text.upper())
        except ValueError:
            detail = "there is no such day or time of day"
            raise BadPositionError(detail) from None
        return _since_1970((moment - _UNIX_EPOCH) // _MILLISECOND)
    detail = "a position is a version, an ETag, an event id, a cursor, an RFC 3339 time or now-1m"
    raise BadPositionError(detail)


def _since_1970(time_ms: int) -> int:
    """Return the moment unchanged: one before any log began is a slip of the unit, not a wish."""
    if time_ms < 0:
        detail = "this moment lies before 1970; check the unit"
        raise BadPositionError(detail)
    return time_ms


def _duration_ms(found: re.Match[str]) -> int:
    if found[1]:
        return int(found[1]) * _SECONDS[found[2]] * 1000
    if not found[3]:
        return 0
    parts = _DURATION.fullmatch(found[3])
    if not parts or not any(parts.groups()):
        detail = "a duration is written like PT1M, PT1H30M or P7D"
        raise BadPositionError(detail)
    return sum(int(n) * _SECONDS[unit] for unit, n in parts.groupdict().items() if n) * 1000
