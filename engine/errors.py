"""Everything the engine refuses or fails with, as one tree with stable public codes.

A *refusal* is an answer: it goes to whoever asked and changes nothing. A *failure* ends the actor.
The HTTP status and the advice for each code stand in ``gateway/http/problem.py``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one member of a request."""

    field: str
    code: str
    detail: str


class ParleyError(Exception):
    """Root of the tree. ``code`` is public, unique and never renamed."""

    code: ClassVar[str] = "internal"
    retry_after_s: float | None = None

    def __init__(
        self,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        members: Mapping[str, Any] | None = None,
    ) -> None:
        """Keep a ``detail`` fit for a client (no secret, no other tenant's data)."""
        super().__init__(detail)
        self.detail = detail
        self.errors = tuple(errors)
        self.members = dict(members or {})


class WrongMasterKeyError(Exception):
    """The master key does not open this data: it is not the one the data was made with."""


class InvalidError(ParleyError):
    """The request can never succeed as it stands."""

    code = "invalid"


class WrongTypeError(InvalidError):
    """A member has the wrong JSON type or is missing."""

    code = "wrong_type"


class UnknownFieldError(InvalidError):
    """A member nobody asked for; refused, since it may be a misspelt one."""

    code = "unknown_field"


class OutOfRangeError(InvalidError):
    """A number, a length or a choice outside its bounds."""

    code = "out_of_range"


class ForbiddenCharacterError(InvalidError):
    """A NUL or another control character where it cannot be stored or shown."""

    code = "forbidden_character"


class BadParentError(InvalidError):
    """``parent_id`` is no message of this conversation that this author may see."""

    code = "bad_parent"


class BadPositionError(InvalidError):
    """A text that is no position, or one this door cannot use."""

    code = "bad_position"


class BadVersionError(InvalidError):
    """A version this stream has never had."""

    code = "bad_version"


class ScopeError(InvalidError):
    """A scope that does not exist, or that the parent key does not have."""

    code = "bad_scope"


class BadCursorError(ParleyError):
    """A cursor that was not made here, or not for this environment."""

    code = "bad_cursor"


class MalformedError(ParleyError):
    """Bytes that are not the announced format."""

    code = "malformed_json"


class UnauthenticatedError(ParleyError):
    """No credential, or none that is known and alive."""

    code = "unauthenticated"


class ForbiddenError(ParleyError):
    """The credential is good but may not do this."""

    code = "forbidden"


class MissingScopeError(ForbiddenError):
    """The credential lacks a scope the route declares."""

    code = "missing_scope"


class AuthorMismatchError(ForbiddenError):
    """The key may not write as this author."""

    code = "author_mismatch"


class NotFoundError(ParleyError):
    """Absent, or another's: the answer is the same."""

    code = "not_found"


class ConflictError(ParleyError):
    """The request meets a state it cannot have."""

    code = "conflict"


class VersionConflictError(ConflictError):
    """The caller decided on an old view; ``missed`` says what has happened since."""

    code = "version_conflict"

    def __init__(self, detail: str, *, seen: int, current: int) -> None:
        """Keep the version the caller had ``seen`` and the ``current`` one."""
        super().__init__(detail, members={"current_version": current})
        self.seen = seen
        self.current = current


class IdempotencyMismatchError(ConflictError):
    """The key was used before, with another body."""

    code = "idempotency_mismatch"


class IdempotencyInProgressError(ConflictError):
    """The first request with this key is still running."""

    code = "idempotency_in_progress"
    retry_after_s = 1.0


class BusyError(ParleyError):
    """Nothing was done; the same request may succeed shortly."""

    code = "overloaded"
    retry_after_s = 1.0


class ActorStoppedError(BusyError):
    """The actor ended before it answered; it starts again with the next command."""

    code = "actor_stopped"


class ConversationParkedError(BusyError):
    """Its actor has failed again and again: it is let alone for a while."""

    code = "conversation_parked"


class StorageError(BusyError):
    """The disk refused before the commit: nothing was written."""

    code = "storage_unavailable"
    retry_after_s = 5.0


class OutcomeUnknownError(ParleyError):
    """The write may or may not be on disk: repeat it with the same idempotency key to learn."""

    code = "outcome_unknown"
    retry_after_s = 1.0
