"""Wrapped keys of data subjects. Destroying one makes everything sealed with it unreadable."""

from collections.abc import Collection, Mapping
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

    async def replace(self, wrapped: Mapping[str, bytes], *, removed: Collection[str] = ()) -> None:
        """Store each key in the place of what its subject has, and remove those of others.

        Atomic and durable: after a crash all of it is so, or nothing. No copy of what was replaced
        or removed is left in any file of the store when this returns.

        Cancellation: a write that has begun is shielded.

        Raises:
            StoreUnavailableError: All of it was done or nothing; a copy may still be there.
            ValueError: A subject is longer than ``SUBJECT_CHARACTERS_MAX`` or empty.
        """

    async def destroy(self, subject: str) -> bool:
        """Remove the key of ``subject`` durably; say if there was one.

        No copy of it is left in any file of the store. After an error, call it again: the second
        call removes what the first one could not, even if it answers ``False``.

        Raises:
            StoreUnavailableError: The key, or a copy of it, may still be there.
        """
