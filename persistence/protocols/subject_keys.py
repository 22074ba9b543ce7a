"""Wrapped keys of data subjects. Destroying one makes everything sealed with it unreadable."""

from collections.abc import Mapping
from typing import Protocol


class SubjectKeys(Protocol):
    """A small durable table: subject → wrapped key. It lies outside the log and its backups."""

    async def get(self, subject: str) -> bytes | None:
        """Return the wrapped key of ``subject``, or ``None``."""

    async def put_absent(self, wrapped: Mapping[str, bytes]) -> dict[str, bytes]:
        """Store each key whose subject has none; return what is stored now for all of them.

        Atomic and durable: when this returns the keys survive a power cut, so an event sealed with
        one may be submitted. Two racing calls for one subject get the same answer.

        Cancellation: a write that has begun is shielded.

        Raises:
            StoreUnavailableError: Nothing was written.
            ValueError: A subject is longer than ``SUBJECT_CHARACTERS_MAX`` or empty.
        """

    async def destroy(self, subject: str) -> bool:
        """Remove the key of ``subject`` durably; say if there was one.

        No copy of it is left in any file of the store. After an error, call it again: the second
        call removes what the first one could not, even if it answers ``False``.

        Raises:
            StoreUnavailableError: The key, or a copy of it, may still be there.
        """
