"""A few living conversations for a sandbox; posted as a client would, once."""

import trio

from engine.actor.outcome import Origin
from engine.conversation.events import Author
from engine.conversation.service import Conversations, NewMessage
from engine.crypto import mac
from engine.principal import Principal

ANNA, BORIS, CHEN = (Author("user", f"usr_{name}") for name in ("anna", "boris", "chen"))
MAYA, BOT = Author("agent", "agent_maya"), Author("bot", "bot_triage")

_Line = tuple[Author, str] | tuple[Author, str, str]

CONVERSATIONS: dict[str, tuple[_Line, ...]] = {
    "conv_order_1042": (
        (ANNA, "Hello, my order 1042 has not arrived. It was due on Friday."),
        (BOT, "Thanks for writing. I am getting somebody from the delivery team."),
        (MAYA, "Second parcel lost on this route this week; I opened a case.", "note"),
        (MAYA, "I am sorry about that. A replacement leaves today; you pay nothing."),
        (ANNA, "That was quick, thank you!"),
    ),
    "conv_invoice_77": (
        (BORIS, "Invoice 77 shows our old address. Can you change it?"),
        (MAYA, "Of course. Which address should it show?"),
        (BORIS, "14 Harbour Street, Bristol. Same VAT number."),
    ),
    "conv_login": (
        (CHEN, "I cannot log in since this morning: it says my link has expired."),
        (BOT, "Login links are good for 15 minutes. Shall I send a new one?"),
        (CHEN, "Yes please."),
    ),
}


async def seed(conversations: Conversations, principal: Principal) -> None:
    """Write every seed message that is not there yet, the conversations side by side."""
    async with trio.open_nursery() as nursery:
        for name, lines in CONVERSATIONS.items():
            nursery.start_soon(_write, conversations, principal, name, lines)


async def _write(
    conversations: Conversations, principal: Principal, name: str, lines: tuple[_Line, ...]
) -> None:
    for at, (author, text, *note) in enumerate(lines):
        new = NewMessage(text=text, author=author, visibility="note" if note else "public")
        key = mac(b"parley seed", f"{name} {at}".encode(), 16)
        origin = Origin(principal.subject, command_key=key, fingerprint=key)
        await conversations.post(principal, name, new, origin)
