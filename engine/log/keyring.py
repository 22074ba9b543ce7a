"""The opened keys of data subjects, for one environment (shell).

A key is destroyed for good: a subject that comes back gets a key of another name, so that what was
sealed before and what is sealed since are never taken for one another.
"""

from collections import OrderedDict
from collections.abc import Iterable

import trio

from engine import crypto
from engine.limits import SUBJECT_KEYS_REMEMBERED
from engine.log.codec import key_name
from persistence.protocols.subject_keys import SubjectKeys


class SubjectKeyMissingError(Exception):
    """A record names a subject whose key is not here, though nobody has destroyed it."""


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
        """By name."""
        self._erasures: dict[str, int] = {}
        self._destroyed: set[str] = set()
        self._making = trio.Lock()

    def name_of(self, subject: str) -> str:
        """Return the name of the key that a subject has now, or will have."""
        erasures = self._erasures.get(subject)
        return subject if erasures is None else key_name(subject, erasures)

    def opened(self, subject: str) -> bytes | None:
        """Return the key a subject has now if it is in memory: a turn may use only these."""
        return self._in_memory(self.name_of(subject) if self._erasures else subject)

    def is_destroyed(self, name: str) -> bool:
        """Say whether the key of this name was destroyed, or is about to be."""
        return name in self._destroyed

    async def ensure(self, subjects: Iterable[str]) -> None:
        """Open the key of every subject, making the ones that do not exist yet (fsynced)."""
        subjects = tuple(subjects)
        async with self._making:  # so that none is made anew while it is being destroyed
            names = {self.name_of(subject) for subject in subjects}
            fresh = {
                name: self._wrap(name, crypto.new_key())
                for name in names
                if name not in self._opened
            }
            if fresh:
                for name, wrapped in (await self._stored.put_absent(fresh)).items():
                    self._remember(name, wrapped)

    async def load(self, names: Iterable[str]) -> dict[str, bytes | None]:
        """Return the keys of these names, read from disk where they are not in memory.

        ``None`` stands for one that was destroyed.

        Raises:
            SubjectKeyMissingError: one does not exist, and was not destroyed.
        """
        return {name: await self._load(name) for name in names}

    async def has(self, subject: str) -> bool:
        """Say whether there is a key of the subject now."""
        name = self.name_of(subject)
        return self._in_memory(name) is not None or await self._stored.get(name) is not None

    def give_up(self, subject: str, name: str) -> None:
        """Use the key of this ``name`` no more, from this moment on; :meth:`destroy` it then."""
        if name not in self._destroyed:
            self._destroyed.add(name)
            self._erasures[subject] = self._erasures.get(subject, 0) + 1
        self._opened.pop(name, None)

    async def destroy(self, name: str) -> None:
        """Remove a key that was given up from the disk, with every copy.

        Raises:
            StoreUnavailableError: it may still be there; call again.
        """
        async with self._making:
            await self._stored.destroy(name)

    async def destroy_again(self) -> None:
        """Remove every key that was given up and lies on the disk all the same."""
        for name in self._destroyed:
            if await self._stored.get(name) is not None:
                await self.destroy(name)

    def _in_memory(self, name: str) -> bytes | None:
        key = self._opened.get(name)
        # The order of use costs as much as the look-up: it is kept only when it is soon needed.
        if key is not None and len(self._opened) > self._remembered // 2:
            self._opened.move_to_end(name)
        return key

    async def _load(self, name: str) -> bytes | None:
        if name in self._destroyed:
            return None
        key = self._in_memory(name)
        if key is None:
            wrapped = await self._stored.get(name)
            if wrapped is not None:
                key = self._remember(name, wrapped)
            elif name not in self._destroyed:
                detail = f"no key for subject {name}"
                raise SubjectKeyMissingError(detail)
        return key

    def _wrap(self, name: str, key: bytes) -> bytes:
        return crypto.seal(self._wrapping_key, key, name.encode())

    def _remember(self, name: str, wrapped: bytes) -> bytes:
        key = crypto.unseal(self._wrapping_key, wrapped, name.encode())
        if name not in self._destroyed:
            self._opened[name] = key
        while len(self._opened) > self._remembered:
            self._opened.popitem(last=False)
        return key
