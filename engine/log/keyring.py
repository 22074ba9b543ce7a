"""The opened keys of data subjects, for one environment (shell)."""

from collections import OrderedDict
from collections.abc import Iterable

from engine import crypto
from engine.limits import SUBJECT_KEYS_REMEMBERED
from persistence.protocols.subject_keys import SubjectKeys


class SubjectKeyMissingError(Exception):
    """A record names a subject whose key is not here."""


class Keyring:
    """Subject → 32-byte key; made durably before the first event is sealed with it."""

    def __init__(
        self, stored: SubjectKeys, *, wrapping_key: bytes, remembered: int = SUBJECT_KEYS_REMEMBERED
    ) -> None:
        """Read and write through ``stored``; keys lie there wrapped with ``wrapping_key``."""
        self._stored = stored
        self._wrapping_key = wrapping_key
        self._remembered = remembered
        self._opened: OrderedDict[str, bytes] = OrderedDict()

    def opened(self, subject: str) -> bytes | None:
        """Return the key if it is in memory: a turn may use only these."""
        key = self._opened.get(subject)
        # The order of use costs as much as the look-up: it is kept only when it is soon needed.
        if key is not None and len(self._opened) > self._remembered // 2:
            self._opened.move_to_end(subject)
        return key

    async def ensure(self, subjects: Iterable[str]) -> None:
        """Open the key of every subject, making the ones that do not exist yet (fsynced)."""
        missing = {subject for subject in subjects if subject not in self._opened}
        fresh = {subject: self._wrap(subject, crypto.new_key()) for subject in missing}
        if fresh:
            for subject, wrapped in (await self._stored.put_absent(fresh)).items():
                self._remember(subject, wrapped)

    async def load(self, subjects: Iterable[str]) -> dict[str, bytes]:
        """Return the keys of ``subjects``, read from disk where they are not in memory.

        Raises:
            SubjectKeyMissingError: one does not exist.
        """
        return {subject: await self._load(subject) for subject in subjects}

    async def _load(self, subject: str) -> bytes:
        key = self.opened(subject)
        if key is None:
            wrapped = await self._stored.get(subject)
            if wrapped is None:
                detail = f"no key for subject {subject}"
                raise SubjectKeyMissingError(detail)
            key = self._remember(subject, wrapped)
        return key

    def _wrap(self, subject: str, key: bytes) -> bytes:
        return crypto.seal(self._wrapping_key, key, subject.encode())

    def _remember(self, subject: str, wrapped: bytes) -> bytes:
        key = crypto.unseal(self._wrapping_key, wrapped, subject.encode())
        self._opened[subject] = key
        while len(self._opened) > self._remembered:
            self._opened.popitem(last=False)
        return key
