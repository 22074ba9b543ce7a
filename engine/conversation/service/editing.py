"""Changing what was said (shell)."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from engine.actor.outcome import Accepted, Origin, Replayed
from engine.conversation import access
from engine.conversation.access import Viewer
from engine.conversation.commands import EditMessage, MessageHeader, RedactMessage
from engine.conversation.editing import StaleHeaderError
from engine.conversation.events import Author
from engine.conversation.revisions import Revised
from engine.conversation.service.asking import Asking
from engine.conversation.service.changing import ANYTHING, Expectation, members
from engine.conversation.service.messages import Messages
from engine.limits import STALE_HEADER_TRIES
from engine.principal import Principal

Making = Callable[[Viewer, MessageHeader], EditMessage | RedactMessage]


@dataclass(frozen=True, slots=True)
class Edit:
    """What a client wants changed on a message; ``None`` = as it is."""

    text: str | None = None
    metadata: dict[str, Any] | None = None
    editor: Author | None = None
    expectation: Expectation = ANYTHING


@dataclass(frozen=True, slots=True)
class Edited:
    """The receipt of a change: the message right behind it, which is on disk."""

    message: Revised
    replayed: bool


class Editing:
    """Changes messages of one environment, with the rights of a principal."""

    def __init__(self, asking: Asking, messages: Messages) -> None:
        """Ask the actors; read the messages to be changed through ``messages``."""
        self._asking = asking
        self._messages = messages

    async def edit(
        self, principal: Principal, conversation: str, message_id: str, edit: Edit, origin: Origin
    ) -> Edited:
        """Give a message another text or other metadata, and wait until it is on disk.

        Raises:
            NotFoundError: there is no such message for this key.
            AuthorMismatchError, ForbiddenError: the key may not change it so.
            VersionConflictError, BadVersionError: it is not where it was expected.
            ConflictError: it was redacted, or changed too often.
        """

        def making(viewer: Viewer, target: MessageHeader) -> EditMessage:
            return EditMessage(
                viewer=viewer,
                target=target,
                editor=_editor(principal, edit.editor, target.author),
                text=edit.text,
                metadata=edit.metadata,
                **members(edit.expectation),
            )

        return await self._edited(principal, conversation, message_id, making, origin)

    async def redact(
        self, principal: Principal, conversation: str, message_id: str, edit: Edit, origin: Origin
    ) -> Edited:
        """Withdraw what a message says; of ``edit`` only editor and expectation count.

        Raises:
            NotFoundError, AuthorMismatchError, VersionConflictError: as in :meth:`edit`.
        """

        def making(viewer: Viewer, target: MessageHeader) -> RedactMessage:
            return RedactMessage(
                viewer=viewer,
                target=target,
                editor=_editor(principal, edit.editor, target.author),
                **members(edit.expectation),
            )

        return await self._edited(principal, conversation, message_id, making, origin)

    async def _edited(
        self,
        principal: Principal,
        conversation: str,
        message_id: str,
        making: Making,
        origin: Origin,
    ) -> Edited:
        seen = await self._asking.see(principal, conversation)
        viewer = self._asking.viewer(principal)
        if viewer.account is not None:
            owned = await self._asking.owned(seen.id, viewer.account)
            viewer = replace(viewer, owned=owned)
        outcome = await self._decided(seen.id, message_id, viewer, making, origin)
        until = None
        if isinstance(outcome, Replayed):
            until = outcome.version
        elif isinstance(outcome, Accepted) and outcome.events:
            until = outcome.events[-1].version
        message = await self._messages.read(seen.id, message_id, principal.audience, until=until)
        return Edited(message, replayed=isinstance(outcome, Replayed))

    async def _decided(
        self,
        conversation_id: str,
        message_id: str,
        viewer: Viewer,
        making: Making,
        origin: Origin,
    ) -> Any:
        """Read the header and ask; once more when others changed too much in between."""
        for _ in range(STALE_HEADER_TRIES - 1):
            target = await self._messages.header(conversation_id, message_id)
            try:
                return await self._asking.command(conversation_id, making(viewer, target), origin)
            except StaleHeaderError:
                continue
        target = await self._messages.header(conversation_id, message_id)
        return await self._asking.command(conversation_id, making(viewer, target), origin)


def _editor(principal: Principal, wanted: Author | None, author: Author) -> Author:
    """Return who changes a message; a customer's key changes it as its author unless it says."""
    if wanted is None and not principal.staff:
        return author
    return access.author_of(principal, wanted)
