"""Reading one message by its key, with everything that was changed on it (shell)."""

from collections.abc import Sequence

from engine import ids
from engine.conversation.commands import MessageHeader
from engine.conversation.editing import no_message
from engine.conversation.events import MessageCreated
from engine.conversation.revisions import Revised, header, history, revised
from engine.conversation.service.asking import stream_of
from engine.log.event import Event
from engine.log.log import Log


class Messages:
    """Reads messages of conversations that the reader was found to see."""

    def __init__(self, log: Log) -> None:
        """Read what is committed from ``log``: two indexed reads a message."""
        self._log = log

    async def read(
        self, conversation_id: str, message_id: str, audience: str, *, until: int | None = None
    ) -> Revised:
        """Return a message as ``audience`` sees it, or saw it at version ``until``.

        Raises:
            NotFoundError: there is none in this conversation for this audience.
        """
        return (await self.history(conversation_id, message_id, audience, until=until))[-1]

    async def history(
        self, conversation_id: str, message_id: str, audience: str, *, until: int | None = None
    ) -> list[Revised]:
        """Return a message as it was written and behind each of its changes.

        Raises:
            NotFoundError: there is none in this conversation for this audience.
        """
        event = await self._find(conversation_id, message_id)
        if not event.seen_by(audience):
            raise no_message()
        changes = await self._log.about([event.uuid])
        if until is not None:
            changes = [change for change in changes if change.version <= until]
        return history(event, changes, audience)

    async def revised(self, events: Sequence[Event], audience: str) -> list[Revised]:
        """Return what the messages of one page say now; only the changed ones are looked up."""
        outdated = [event.uuid for event in events if event.outdated]
        changes: dict[bytes, list[Event]] = {}
        for change in await self._log.about(outdated) if outdated else ():
            changes.setdefault(change.about or b"", []).append(change)
        return [revised(event, changes.get(event.uuid, ()), audience) for event in events]

    async def header(self, conversation_id: str, message_id: str) -> MessageHeader:
        """Return what a command to change a message carries of it.

        Raises:
            NotFoundError: there is none in this conversation.
        """
        read_at = await self._log.head(stream_of(conversation_id))
        event = await self._find(conversation_id, message_id)
        return header(event, await self._log.about([event.uuid]), read_at=read_at)

    async def _find(self, conversation_id: str, message_id: str) -> Event:
        uuid = ids.uuid_of(ids.MESSAGE, message_id)
        event = await self._log.find(uuid) if uuid else None
        if (
            event is None
            or event.stream != stream_of(conversation_id)
            or event.type != MessageCreated.type_name
        ):
            raise no_message()
        return event
