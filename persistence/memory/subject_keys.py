"""The wrapped keys of data subjects, in memory."""

from collections.abc import Callable, Collection, Mapping

import trio

from persistence.limits import check_subjects


class MemorySubjectKeys:
    """Subject → wrapped key."""

    def __init__(self, kept: dict[str, bytes], check_open: Callable[[], None]) -> None:
        """Keep the keys in ``kept``; ``check_open`` raises while the store does not run."""
        self._kept = kept
        self._check_open = check_open

    async def get(self, subject: str) -> bytes | None:
        """Return the wrapped key of ``subject``, or ``None``."""
        await trio.lowlevel.checkpoint()
        self._check_open()
        return self._kept.get(subject)

    async def put_absent(self, wrapped: Mapping[str, bytes]) -> dict[str, bytes]:
        """Keep each key whose subject has none; return what is kept for all of them."""
        check_subjects(wrapped)
        await trio.lowlevel.checkpoint()
        self._check_open()
        return {subject: self._kept.setdefault(subject, key) for subject, key in wrapped.items()}

    async def replace(self, wrapped: Mapping[str, bytes], *, removed: Collection[str] = ()) -> None:
        """Keep each key in the place of what its subject has; remove those of others."""
        check_subjects(wrapped)
        await trio.lowlevel.checkpoint()
        self._check_open()
        self._kept.update(wrapped)
        for subject in removed:
            self._kept.pop(subject, None)

    async def destroy(self, subject: str) -> bool:
        """Remove the key of ``subject``; say if there was one."""
        await trio.lowlevel.checkpoint()
        self._check_open()
        return self._kept.pop(subject, None) is not None
