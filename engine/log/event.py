"""An event as the engine holds it: what has happened, with its place in the log."""

from typing import Any

from engine import ids
from engine.feature import Catalogue, Payload, decode, encode
from persistence.records import Stream

PUBLIC = 0
STAFF_ONLY = 1

STAFF = "staff"
CUSTOMER = "customer"


class Event:
    """One fact. Made once, in its actor's turn; shared by everyone who is told of it.

    ``data`` is its payload as JSON, encoded once. ``position`` is 0 until it is committed.
    ``about`` is the UUID of the earlier event it is about, if any; ``outdated`` says that a later
    one was about it, or about the same, when it was read.
    ``frames`` holds the bytes built from it, one entry a wire format and audience; ``cursor`` its
    cursor, empty until somebody has asked its log for it.
    """

    __slots__ = (
        "_payload",
        "_suffix",
        "about",
        "actor",
        "catalogue",
        "causation_id",
        "command_key",
        "cursor",
        "data",
        "fingerprint",
        "frames",
        "outdated",
        "position",
        "previous_public",
        "schema",
        "stream",
        "subject",
        "time_ms",
        "traceparent",
        "type",
        "uuid",
        "version",
        "visibility",
    )

    def __init__(  # noqa: PLR0913 - the fields of an event, all by name
        self,
        *,
        stream: Stream,
        version: int,
        uuid: bytes,
        type: str,  # noqa: A002 - the wire's own word
        schema: int,
        time_ms: int,
        visibility: int,
        previous_public: int,
        actor: str,
        subject: str,
        data: bytes,
        payload: Payload | None = None,
        catalogue: Catalogue | None = None,
        position: int = 0,
        command_key: bytes | None = None,
        fingerprint: bytes | None = None,
        causation_id: bytes | None = None,
        traceparent: str | None = None,
        about: bytes | None = None,
        outdated: bool = False,
    ) -> None:
        """Take every field by name; ``catalogue`` serves to decode ``data`` when it was read."""
        self.stream = stream
        self.version = version
        self.uuid = uuid
        self.type = type
        self.schema = schema
        self.time_ms = time_ms
        self.visibility = visibility
        self.previous_public = previous_public
        self.actor = actor
        self.subject = subject
        self.data = data
        self.position = position
        self.command_key = command_key
        self.fingerprint = fingerprint
        self.causation_id = causation_id
        self.traceparent = traceparent
        self.about = about
        self.outdated = outdated
        self.catalogue = catalogue
        self.frames: dict[Any, bytes] = {}
        self.cursor = ""
        self._suffix = ""
        self._payload = payload

    @property
    def id(self) -> str:
        """Return the public id, ``evt_…``."""
        return f"{ids.EVENT}_{self._suffix or self._base32()}"

    @property
    def payload(self) -> Any:
        """Return the typed payload, decoded on first use when the event was read from the log."""
        if self._payload is None:
            catalogue = self.catalogue or {}
            self._payload = decode(catalogue[self.type], self.data)
        return self._payload

    @property
    def withdraws(self) -> bool:
        """Say whether it withdraws the content of what it is about."""
        return self.about is not None and bool(self.payload.withdraws)

    def withdraw(self) -> None:
        """Forget the content: a later event says that it must not be shown any more."""
        self._payload = self.payload.withdrawn()
        self.data = encode(self._payload)
        self.frames.clear()

    @property
    def resource_id(self) -> str | None:
        """Return the id of the resource this event made, when it shares the event's UUID."""
        kind = type(self._payload) if self._payload else (self.catalogue or {})[self.type]
        return f"{kind.resource}_{self._suffix or self._base32()}" if kind.resource else None

    def seen_by(self, audience: str) -> bool:
        """Say whether ``audience`` may know that this event exists."""
        return audience == STAFF or self.visibility == PUBLIC

    def previous(self, audience: str) -> int:
        """Return the version of the previous event of the stream that ``audience`` may see."""
        return self.version - 1 if audience == STAFF else self.previous_public

    def _base32(self) -> str:
        """Return what its ids have in common: written once, said in every frame several times."""
        self._suffix = ids.suffix(self.uuid)
        return self._suffix
