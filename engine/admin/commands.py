"""What the actor of an erased subject may be asked."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TellErased:
    """Say on the log that the key of the subject was destroyed."""

    id: str
    number: int
    """Of the entry in the ledger."""
