"""The keys of workspaces, wrapped by the master key, and the change of that key (shell).

A rotation first lays beside each workspace's key a copy wrapped by the new master key, and only
when all of them are on disk puts these in the place of the old ones. So at any moment one master
key, the old one or the new one, opens every workspace; the next start with it ends what was cut
short: back to the old one, or on to the new one.
"""

from dataclasses import dataclass

import trio

from engine import crypto
from engine.errors import ConflictError, OutcomeUnknownError, WrongMasterKeyError
from engine.log.log import store_failures
from persistence.protocols.subject_keys import SubjectKeys

KEY_SUBJECT = "workspace key"
NEXT_SUBJECT = "workspace key, next"


@dataclass(slots=True)
class _Opened:
    key: bytes
    stored: SubjectKeys
    by_next: bool


class WorkspaceKeys:
    """Workspace → 32-byte key, random, as long as the workspace is there."""

    def __init__(self, master_key: bytes) -> None:
        """Unwrap with the 32-byte ``master_key``."""
        self._master_key = master_key
        self._opened: dict[str, _Opened] = {}

    async def open(self, workspace: str, stored: SubjectKeys) -> bytes:
        """Return the key of a workspace, from the store of its hidden environment; made if new.

        Raises:
            WrongMasterKeyError: it was wrapped by another master key.
        """
        known = self._opened.get(workspace)
        if known is None:
            fresh = {KEY_SUBJECT: self._wrap(self._master_key, workspace, crypto.new_key())}
            wrapped = (await stored.put_absent(fresh))[KEY_SUBJECT]
            key, by_next = self._unwrap(workspace, wrapped), False
            if key is None:
                coming = await stored.get(NEXT_SUBJECT)
                key = None if coming is None else self._unwrap(workspace, coming)
                by_next = key is not None
                if key is None:
                    raise self._wrong(workspace, cut_short=coming is not None)
            known = self._opened[workspace] = _Opened(key, stored, by_next)
        return known.key

    async def settle(self) -> None:
        """End a rotation that was cut short; every workspace was opened with the master key."""
        for opened in self._opened.values():
            coming = await opened.stored.get(NEXT_SUBJECT)
            if coming is not None:
                kept = {KEY_SUBJECT: coming} if opened.by_next else {}
                await opened.stored.replace(kept, removed=(NEXT_SUBJECT,))
                opened.by_next = False

    async def rotate(self, new: bytes) -> int:
        """Let ``new`` be the master key of every workspace; return how many there are.

        No record and no other key is touched. No workspace may be opened meanwhile.

        Raises:
            ConflictError: it is the master key already.
            StorageError: a store does not answer; the old key goes on.
            OutcomeUnknownError: a store does not answer; from now on start with the new key.

        Cancellation: what has begun is done first.
        """
        if crypto.same(new, self._master_key):
            raise ConflictError("this is the master key already")
        with trio.CancelScope(shield=True):  # noqa: ASYNC912 - without a workspace nothing waits
            coming = {
                workspace: self._wrap(new, workspace, opened.key)
                for workspace, opened in self._opened.items()
            }
            with store_failures():
                for workspace, wrapped in coming.items():
                    await self._opened[workspace].stored.replace({NEXT_SUBJECT: wrapped})
            self._master_key = new
            try:
                with store_failures():
                    for workspace, wrapped in coming.items():
                        stored = self._opened[workspace].stored
                        await stored.replace({KEY_SUBJECT: wrapped}, removed=(NEXT_SUBJECT,))
            except Exception as error:
                detail = "the new master key opens everything, but the old one may still open some"
                raise OutcomeUnknownError(detail) from error
        return len(coming)

    def _wrap(self, master_key: bytes, workspace: str, key: bytes) -> bytes:
        return crypto.seal(master_key, key, workspace.encode())

    def _unwrap(self, workspace: str, wrapped: bytes) -> bytes | None:
        try:
            return crypto.unseal(self._master_key, wrapped, workspace.encode())
        except crypto.UnsealError:
            return None

    def _wrong(self, workspace: str, *, cut_short: bool) -> WrongMasterKeyError:
        detail = f"the master key does not open the workspace {workspace}"
        if cut_short or any(opened.by_next for opened in self._opened.values()):
            detail += "; a rotation was cut short: start with the key from before it"
        return WrongMasterKeyError(detail)
