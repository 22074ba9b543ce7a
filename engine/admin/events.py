"""What the Admin API publishes."""

from typing import ClassVar

from engine.feature import Payload


class SubjectErased(Payload, frozen=True):
    """A customer was erased: the key of all that was sealed for it is destroyed."""

    type_name: ClassVar[str] = "subject.erased"

    id: str
    """Of the erasure (``era_…``), whose receipt can be asked for."""
    subject: str
    """TypeID of the customer. No other word of it is left."""
    number: int
    """Of the entry in the ledger of erasures, which backups carry."""


EVENTS = (SubjectErased,)
