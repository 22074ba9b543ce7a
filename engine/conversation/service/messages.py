"""Reading one message by its key, with everything that was changed on it (shell)."""

from collections.abc import Sequence

from engine import ids
from engine.conversation.commands import MessageHeader
from engine.conversation.editing import no_message
from engine.conversation.events import MessageCreated
from engine.conversation.revisions import Revised, behind, header, history, unrevised
from engine.conversation.service.asking import stream_of
from engine.log.event import Event
from engine.log.log import Log
from persistence.limits import READ_RECORDS_MAX


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
        changes = await self._changes(event.uuid)
        if until is not None:
            changes = [change for change in changes if change.version <= until]
        return history(event, changes, audience)

    async def revised(self, events: Sequence[Event], audience: str) -> list[Revised]:
        """Return what the messages of one page say now; only the changed ones are looked up.

        Their changes are read and forgotten page by page, however many there are.
        """
        found = {event.uuid: unrevised(event, audience) for event in events}
        outdated = [event.uuid for event in events if event.outdated]
        position, more = 0, bool(outdated)
        while more:
            page = await self._log.about(outdated, after=position)
            for change in page:
                uuid, position = change.about or b"", change.position
                found[uuid] = behind(found[uuid], change, audience)
            more = len(page) == READ_RECORDS_MAX
        return list(found.values())

    async def header(self, conversation_id: str, message_id: str) -> MessageHeader:
        """Return what a command to change a message carries of it.

        Raises:
            NotFoundError: there is none in this conversation.
        """
        read_at = await self._log.head(stream_of(conversation_id))
        event = await self._find(conversation_id, message_id)
        return header(event, await self._changes(event.uuid), read_at=read_at)

    async def _changes(self, uuid: bytes) -> list[Event]:
        """Return all changes of one message: their number is bounded, and so is this list."""
        changes: list[Event] = []
        while True:
            after = changes[-1].position if changes else 0
            page = await self._log.about([uuid], after=after)
            changes += page
            if len(page) < READ_RECORDS_MAX:
                return changes

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
