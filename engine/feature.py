"""A feature is a folder of the engine; this is all the rest of the house knows of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

if TYPE_CHECKING:
    from engine.actor.kind import Kind
    from engine.bus.rules import ViewRules


@dataclass(frozen=True, slots=True)
class Remains:
    """What is known of an event whose sealed part nobody can open any more."""

    name: str
    """Of its stream."""
    about: bytes | None
    """The UUID of the earlier event it is about."""
    public: bool
    """Whether customers may know that it happened."""


class Payload(msgspec.Struct, frozen=True):
    """The ``data`` of one kind of event. Subclasses set ``type`` (``noun.past_participle``)."""

    type_name: ClassVar[str] = ""
    schema: ClassVar[int] = 1
    resource: ClassVar[str] = ""
    """Prefix of the resource that shares the event's UUID (``msg``): its id leads the data."""
    withdraws: ClassVar[bool] = False
    """Whether the content of what the event is about must not be shown any more."""

    def for_customers(self) -> "Payload":
        """Return what a customer may read of it: itself, unless a kind of event says otherwise."""
        return self

    def about(self) -> bytes | None:
        """Return the UUID of the earlier event this one is about, if it is about one."""
        return None

    def withdrawn(self) -> "Payload":
        """Return what is left of it when a later event withdraws its content."""
        return self

    @classmethod
    def tombstone(cls, remains: Remains) -> "Payload":
        """Return what is left of it when the key of whom it is of was destroyed.

        Raises:
            TypeError: events of this kind are of nobody who can be erased.
        """
        detail = f"{cls.type_name} of {remains.name} is of nobody who can be erased"
        raise TypeError(detail)


@dataclass(frozen=True, slots=True)
class Feature:
    """A name (one word in URL, folders and docs), and its events, actors and views."""

    name: str
    events: tuple[type[Payload], ...]
    kinds: "tuple[Kind, ...]" = ()
    views: "tuple[ViewRules, ...]" = ()
    environments: tuple[str, ...] = ("live", "test")
    """Where its actors and views are; ``workspace`` is the log of the tenant itself."""


Catalogue = dict[str, type[Payload]]


def catalogue(features: Iterable[Feature]) -> Catalogue:
    """Return event type → payload class; two features may not publish one type."""
    found: Catalogue = {}
    for feature in features:
        for payload in feature.events:
            if found.setdefault(payload.type_name, payload) is not payload:
                detail = f"two features publish {payload.type_name}"
                raise ValueError(detail)
    return found


def kinds_in(environment: str, features: Iterable[Feature]) -> "dict[str, Kind]":
    """Return name → kind of what lives in an environment; two features may not share a name."""
    found: dict[str, Kind] = {}
    for feature in features:
        for kind in feature.kinds if environment in feature.environments else ():
            if found.setdefault(kind.name, kind) is not kind:
                detail = f"two features have actors of the kind {kind.name}"
                raise ValueError(detail)
    return found


def encode(payload: Payload) -> bytes:
    """Return the JSON bytes that are sealed, sent and spliced from now on: encoded once."""
    return _ENCODER.encode(payload)


def decode(kind: type[Payload], data: bytes) -> Any:
    """Return the payload in ``data``, which this house encoded itself."""
    return msgspec.json.decode(data, type=kind)


_ENCODER = msgspec.json.Encoder()


def views_in(environment: str, features: Iterable[Feature]) -> "tuple[ViewRules, ...]":
    """Return the rules of the views that are kept in an environment."""
    return tuple(
        rules
        for feature in features
        for rules in (feature.views if environment in feature.environments else ())
    )
