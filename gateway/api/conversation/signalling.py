"""Typing, presence and read marks, whichever door they came in by (shell).

The rights are those of writing a message, but nobody is claimed by a signal.
"""

from engine.actor.outcome import Answer, Origin, Query
from engine.conversation import access
from engine.conversation.events import Visibility
from engine.conversation.marks import Mark
from engine.conversation.service import stream_of
from engine.conversation.state import ConversationView, view
from engine.environment import Environment
from gateway.api.conversation.posting import author_in
from gateway.api.conversation.resources import AuthorBody
from gateway.callers import Caller
from gateway.fanout.hub import Member
from gateway.fanout.roll import Seat


async def seat_of(
    caller: Caller,
    conversation: str,
    author: AuthorBody | None,
    *,
    visibility: Visibility = "public",
    visible: bool = False,
) -> Seat:
    """Return who signals where; ``visible`` = the caller is known to see the conversation.

    Raises:
        NotFoundError: there is no such conversation for this caller.
        ForbiddenError: notes are among staff.
        AuthorMismatchError: the caller may not write as ``author``.
        ForbiddenCharacterError: control characters in an id.
    """
    principal, conversations = caller.principal, caller.environment.conversations
    conversation_id, _ = conversations.resolve(principal, conversation)
    if not visible:
        await conversations.see(principal, conversation)
    access.check_visibility(principal, visibility)
    writer = await conversations.writer(principal, author_in(author))
    return Seat(conversation_id, writer, visibility)


async def advance_mark(
    caller: Caller,
    conversation: str,
    version: int,
    author: AuthorBody | None,
    *,
    sender: Member | None,
) -> Mark:
    """Note how far an author has read, and tell the others when it is on disk.

    Raises:
        ParleyError: as ``Marks.advance`` has it.
    """
    marks = caller.environment.marks
    mark = await marks.advance(caller.principal, conversation, version, author_in(author))
    shown = await _as_customers_see(caller.environment, mark)
    caller.hub.read(mark, shown, sender=sender)
    return mark


async def _as_customers_see(environment: Environment, mark: Mark) -> Mark | None:
    """Return what customers may know of a mark; ``None`` when they do not know its reader."""
    look = Query(lambda state: view(state, staff=False))
    answer = await environment.registry.ask(stream_of(mark.conversation_id), look, Origin(actor=""))
    if not isinstance(answer, Answer):
        return None
    seen: ConversationView = answer.value
    known = mark.reader.type == "user" or mark.reader in seen.participants
    return mark.up_to(seen.version) if known else None
