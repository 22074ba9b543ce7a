"""Changing what was said (shell)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from engine.actor.outcome import Accepted, Origin, Outcome, Replayed
from engine.conversation import access
from engine.conversation.access import Viewer
from engine.conversation.commands import EditMessage, MessageHeader, RedactMessage
from engine.conversation.editing import StaleHeaderError, no_message
from engine.conversation.events import Author, Flag
from engine.conversation.revisions import Revised
from engine.conversation.service.asking import Asking
from engine.conversation.service.changing import ANYTHING, Expectation, members, on_disk
from engine.conversation.service.messages import Messages
from engine.limits import STALE_HEADER_TRIES
from engine.principal import Principal

Making = Callable[[Viewer, MessageHeader], EditMessage | RedactMessage]


@dataclass(frozen=True, slots=True)
class Edit:
    """What a client wants changed on a message; ``None`` = as it is."""

    text: str | None = None
    metadata: dict[str, Any] | None = None
    flags: tuple[Flag, ...] = ()
    editor: Author | None = None
    expectation: Expectation = ANYTHING
    size: int = 1024
    """Bytes it is counted with while it waits."""


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
            OutcomeUnknownError: try again with the same idempotency key.
        """

        def making(viewer: Viewer, target: MessageHeader) -> EditMessage:
            return EditMessage(
                viewer=viewer,
                target=target,
                editor=self._editor(principal, edit.editor, target),
                text=edit.text,
                metadata=edit.metadata,
                flags=edit.flags,
                **members(edit.expectation),
            )

        return await self._edited(
            _Asked(principal, making, origin, edit.size), conversation, message_id
        )

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
                editor=self._editor(principal, edit.editor, target),
                **members(edit.expectation),
            )

        return await self._edited(
            _Asked(principal, making, origin, edit.size), conversation, message_id
        )

    async def _edited(self, asked: "_Asked", conversation: str, message_id: str) -> Edited:
        audience = asked.principal.audience
        seen = await self._asking.see(asked.principal, conversation)
        outcome = await self._decided(asked, seen.id, message_id)
        until = None
        if isinstance(outcome, Replayed):
            until = outcome.version
        elif isinstance(outcome, Accepted) and outcome.events:
            until = outcome.events[-1].version
        with on_disk():
            message = await self._messages.read(seen.id, message_id, audience, until=until)
        return Edited(message, replayed=isinstance(outcome, Replayed))

    async def _decided(self, asked: "_Asked", conversation_id: str, message_id: str) -> Outcome:
        """Read the header and ask; again when others have changed too much in between.

        Raises:
            StaleHeaderError: ``STALE_HEADER_TRIES`` times.
        """
        tries = 0
        while True:
            tries += 1
            target = await self._messages.header(conversation_id, message_id)
            if target.visibility == "note" and not asked.principal.staff:
                raise no_message()
            viewer = await self._viewer(asked.principal, conversation_id, target)
            command = asked.making(viewer, target)
            try:
                return await self._asking.command(
                    conversation_id, command, asked.origin, size=asked.size
                )
            except StaleHeaderError:
                if tries == STALE_HEADER_TRIES:
                    raise

    def _editor(self, principal: Principal, wanted: Author | None, target: MessageHeader) -> Author:
        """Return who changes a message; its author is the author by either of its names."""
        if wanted is not None and wanted.type == "user" and target.contact_id is not None:
            is_author = self._asking.contact_of(wanted)[0] == target.contact_id
            wanted = target.author if is_author else wanted
        return access.editor_of(principal, wanted, target.author)

    async def _viewer(
        self, principal: Principal, conversation_id: str, target: MessageHeader
    ) -> Viewer:
        """Return the eyes of a principal; an account's also know whether the author is its own."""
        viewer = self._asking.viewer(principal)
        if viewer.account is None or target.contact_id is None:
            return viewer
        contact = target.contact_id
        owns = await self._asking.owns(conversation_id, viewer.account, contact)
        return replace(viewer, owned=frozenset({contact})) if owns else viewer


@dataclass(frozen=True, slots=True)
class _Asked:
    """Who asks for what."""

    principal: Principal
    making: Making
    origin: Origin
    size: int
