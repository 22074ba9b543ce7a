"""Who may see and do what in a conversation. Pure.

An account may write as its own users, a user only as itself; a customer's key sees only
conversations in which its subject or its account's users take part, and the rest does not exist.
"""

import msgspec

from engine.conversation.events import Author
from engine.conversation.state import ConversationState, Participant
from engine.errors import AuthorMismatchError, ForbiddenError, NotFoundError
from engine.principal import ACCOUNT_PREFIX, Principal


class Viewer(msgspec.Struct, frozen=True):
    """The eyes somebody looks with."""

    staff: bool
    account: str | None = None
    """The account behind the key, if it was made for one."""
    contact_id: str | None = None
    """The customer behind the key: its subject as a contact."""
    owned: frozenset[str] = frozenset()
    """Contacts found to belong to the account although their messages do not say so."""


def takes_part(state: ConversationState, viewer: Viewer) -> bool:
    """Say whether the viewer, or a user of its account, takes part."""
    if viewer.staff:
        return True
    for participant in state.participants.values():
        if not participant.left and _is_viewers(participant, viewer):
            return True
    return False


def is_own(state: ConversationState, contact_id: str | None, viewer: Viewer) -> bool:
    """Say whether the contact is the viewer itself, or a user of its account."""
    if contact_id is None:
        return False
    return any(
        participant.contact_id == contact_id and _is_viewers(participant, viewer)
        for participant in state.present()
    )


def _is_viewers(participant: Participant, viewer: Viewer) -> bool:
    return participant.contact_id is not None and (
        participant.contact_id == viewer.contact_id
        or participant.contact_id in viewer.owned
        or (viewer.account is not None and participant.account == viewer.account)
    )


def check_visible(state: ConversationState, viewer: Viewer) -> None:
    """Refuse what is absent and what is another's in the same words.

    Raises:
        NotFoundError: there is no such conversation for this viewer.
    """
    if not state.created or not takes_part(state, viewer):
        raise not_found()


def check_named(principal: Principal, conversation_id: str) -> None:
    """Refuse a key that is narrowed to other conversations.

    Raises:
        NotFoundError: for this key there is no such conversation.
    """
    if principal.conversations is not None and conversation_id not in principal.conversations:
        raise not_found()


class HiddenError(NotFoundError):
    """For this viewer there is no such conversation: it is absent, or another's."""


def not_found() -> HiddenError:
    """Return the one answer for absent and hidden conversations."""
    return HiddenError("there is no such conversation")


def author_of(principal: Principal, wanted: Author | None) -> Author:
    """Return who writes: the wanted author if the key may write as it, else the key's subject.

    Raises:
        AuthorMismatchError: the key may not write as ``wanted``.
    """
    if principal.staff:
        return wanted or Author("system", principal.key_id)
    if wanted is None:
        return Author("user", principal.subject)
    if wanted.type != "user" or not _may_be(principal, wanted.id):
        raise author_mismatch()
    return wanted


def editor_of(principal: Principal, wanted: Author | None, author: Author) -> Author:
    """Return who changes a message of ``author``: a customer its own, in that name or the key's.

    Raises:
        AuthorMismatchError: the key may not act as ``wanted``.
    """
    if principal.staff:
        return wanted or Author("system", principal.key_id)
    if wanted in {None, author}:
        return author
    if wanted != Author("user", principal.subject):
        raise author_mismatch()
    return wanted


def author_mismatch() -> AuthorMismatchError:
    """Return the one refusal of an author that is not the key's."""
    return AuthorMismatchError("this key may not write as this author")


def check_visibility(principal: Principal, visibility: str) -> None:
    """Refuse a private note from a customer.

    Raises:
        ForbiddenError: notes are among staff.
    """
    if visibility == "note" and not principal.staff:
        detail = "private notes are written by staff"
        raise ForbiddenError(detail)


def _may_be(principal: Principal, author_id: str) -> bool:
    if author_id == principal.subject:
        return True
    return principal.account is not None and not author_id.startswith(ACCOUNT_PREFIX)
