"""Erases customers of one environment (shell).

Each step rests on the one before it being on disk: the ledger says that it is to be, the key is
destroyed, the log tells of it, the ledger says that it is done. Whatever a crash has left undone
is done when the environment is opened again, before anybody reads.
"""

from collections.abc import Callable

import msgspec
import trio

from engine import crypto, ids
from engine.actor.outcome import Accepted, Origin
from engine.actor.registry import Registry
from engine.admin.commands import TellErased
from engine.admin.erasure import ERASURE, Begun, Done, Erasure, Register, encode, receipt_mac
from engine.errand import in_task
from engine.errors import BusyError, NotFoundError, OutcomeUnknownError, StorageError
from engine.limits import REPLAY_PAGE_RECORDS
from engine.log.log import Log, store_failures
from persistence.protocols.ledger import Ledger
from persistence.records import Stream

SUBJECT = "subject"
OnErased = Callable[[str], None]
"""Told of a subject at the moment from which its key is used no more; must not raise."""


class Erased(msgspec.Struct, frozen=True):
    """The receipt of an erasure that is done."""

    id: str
    subject: str
    time_ms: int
    position: int
    number: int
    reason: str | None
    mac: str
    replayed: bool = False


class Erasures:
    """The ledger of one environment, and what follows from its entries."""

    def __init__(
        self,
        log: Log,
        registry: Registry,
        ledger: Ledger,
        external_ids: ids.ExternalIds,
        *,
        key: bytes,
        now_ms: Callable[[], int],
    ) -> None:
        """Destroy keys of the keyring of ``log``; MAC receipts and seal reasons with ``key``."""
        self._log = log
        self._registry = registry
        self._ledger = ledger
        self._external_ids = external_ids
        self._receipt_key = crypto.derive(key, "receipts")
        self._reason_key = crypto.derive(key, "reasons")
        self._now_ms = now_ms
        self._register = Register()
        self._when_erased: list[OnErased] = []
        self._turn = trio.Lock()

    def when_erased(self, call: OnErased) -> None:
        """Call ``call`` with every subject that is erased, so that nothing of it is kept."""
        self._when_erased.append(call)

    async def start(self) -> None:
        """Read the ledger, and do what it says and is not done. Nothing may be read before.

        Raises:
            StorageError, OutcomeUnknownError: the store does not answer; it is not begun.
            UnknownFormatError: the ledger is a newer version's.
        """
        keyring = self._log.keyring
        with store_failures():
            await self._read_on()
            for erasure in self._register:
                keyring.give_up(erasure.begun.subject, erasure.begun.key)
            # A copy of older keys may lie here: what was erased does not come back with it.
            await keyring.destroy_again()

    async def go_on(self) -> None:
        """Finish what was begun before a crash; the actors must be running."""
        for erasure in self._register:
            if not erasure.is_done:
                await self._finished(erasure)

    async def erase(self, text: str, reason: str | None, origin: Origin) -> Erased:
        """Erase a customer, and wait until it is done.

        Args:
            text: its TypeID, or the client's own id for it.
            reason: for the receipt; kept sealed.
            origin: a key that was used before gets the first receipt again.

        Raises:
            NotFoundError: nothing is kept of anybody of this id, and nobody was erased.
            IdempotencyMismatchError: the key was used with another body.
            StorageError: nothing was begun.
            OutcomeUnknownError: it is begun and goes on with a repetition, or at the next start.

        Cancellation: what has begun is done first.
        """
        subject, _ = self._external_ids.resolve(ids.USER, text)
        await in_task()
        with trio.CancelScope(shield=True):
            async with self._turn:
                found = await self._found(subject, origin)
                begun = found or await self._begin(subject, reason, origin)
                done = await self._finished(begun)
        return self._receipt(done, replayed=found is not None)

    def find(self, erasure_id: str) -> Erased | None:
        """Return the receipt of an erasure that is done."""
        found = self._register.find(erasure_id)
        return self._receipt(found) if found is not None and found.is_done else None

    async def _found(self, subject: str, origin: Origin) -> Erasure | None:
        """Return the erasure that was asked for before, if it is not another one this time."""
        fingerprint = self._hidden(origin.fingerprint)
        found = self._register.asked_before(origin.command_key, fingerprint)
        if found is not None:
            return found
        newest = self._register.newest_of(subject)
        if newest is not None and not newest.is_done:
            return newest
        with store_failures():
            if await self._log.keyring.has(subject):
                return None
        if newest is None:
            raise NotFoundError("nothing is kept here of anybody of this id")
        return newest

    async def _begin(self, subject: str, reason: str | None, origin: Origin) -> Erasure:
        erasure_id = ids.type_id(ERASURE, ids.new_uuid())
        sealed = None
        if reason is not None:
            sealed = crypto.seal(self._reason_key, reason.encode(), erasure_id.encode())
        begun = Begun(
            id=erasure_id,
            subject=subject,
            key=self._log.keyring.name_of(subject),
            time_ms=self._now_ms(),
            reason=sealed,
            command_key=origin.command_key,
            fingerprint=self._hidden(origin.fingerprint),
        )
        return await self._noted(begun)

    async def _finished(self, erasure: Erasure) -> Erasure:
        """Do what is left to do; every step may have been done before.

        Raises:
            OutcomeUnknownError: the store does not answer.
        """
        if erasure.is_done:
            return erasure
        begun = erasure.begun
        self._log.keyring.give_up(begun.subject, begun.key)
        for call in self._when_erased:
            call(begun.subject)
        try:
            with store_failures():
                await self._log.keyring.destroy(begun.key)
                await self._registry.forget_kept()
            position = await self._told(erasure)
            return await self._noted(Done(erasure.number, position))
        except (StorageError, BusyError) as error:
            detail = "the erasure is begun and will be done; repeat it to learn when"
            raise OutcomeUnknownError(detail) from error

    async def _told(self, erasure: Erasure) -> int:
        """Return the position of the event that tells of it, which is made if there is none."""
        stream = Stream(SUBJECT, erasure.begun.subject)
        command = TellErased(erasure.begun.id, erasure.number)
        outcome = await self._registry.ask(stream, command, Origin(actor="system"))
        if isinstance(outcome, Accepted) and outcome.events:
            return outcome.events[-1].position
        for event in await self._log.read(stream, newest_first=True, limit=REPLAY_PAGE_RECORDS):
            if event.payload.number == erasure.number:
                return event.position
        detail = f"erasure {erasure.number} was told before, and is not on the log"
        raise AssertionError(detail)

    async def _noted(self, entry: Begun | Done) -> Erasure:
        """Add an entry to the ledger, durably, and to what is known of it."""
        line = encode(entry)
        with store_failures():
            await self._ledger.append(line)
        return self._register.fold(line)

    async def _read_on(self) -> None:
        while page := await self._ledger.read(after=self._register.entries):
            for line in page:
                self._register.fold(line)

    def _hidden(self, fingerprint: bytes | None) -> bytes | None:
        """Return a hash from which nobody guesses the id that was asked for."""
        if fingerprint is None:
            return None
        return crypto.mac(self._receipt_key, fingerprint, len(fingerprint))

    def _receipt(self, erasure: Erasure, *, replayed: bool = False) -> Erased:
        begun, reason = erasure.begun, None
        if begun.reason is not None:
            reason = crypto.unseal(self._reason_key, begun.reason, begun.id.encode()).decode()
        return Erased(
            id=begun.id,
            subject=begun.subject,
            time_ms=begun.time_ms,
            position=erasure.position,
            number=erasure.number,
            reason=reason,
            mac=receipt_mac(self._receipt_key, erasure),
            replayed=replayed,
        )
