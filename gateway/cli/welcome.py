"""The few living conversations that a sandbox begins with."""

from engine.conversation.events import Author
from gateway.control.scripts import Line, Script

ANNA, BORIS, CHEN = (Author("user", f"usr_{name}") for name in ("anna", "boris", "chen"))
MAYA, BOT = Author("agent", "agent_maya"), Author("bot", "bot_triage")

CONVERSATIONS = (
    Script(
        "conv_order_1042",
        (
            Line(ANNA, "Hello, my order 1042 has not arrived. It was due on Friday."),
            Line(BOT, "Thanks for writing. I am getting somebody from the delivery team."),
            Line(MAYA, "Second parcel lost on this route this week; I opened a case.", "note"),
            Line(MAYA, "I am sorry about that. A replacement leaves today; you pay nothing."),
            Line(ANNA, "That was quick, thank you!"),
        ),
    ),
    Script(
        "conv_invoice_77",
        (
            Line(BORIS, "Invoice 77 shows our old address. Can you change it?"),
            Line(MAYA, "Of course. Which address should it show?"),
            Line(BORIS, "14 Harbour Street, Bristol. Same VAT number."),
        ),
    ),
    Script(
        "conv_login",
        (
            Line(CHEN, "I cannot log in since this morning: it says my link has expired."),
            Line(BOT, "Login links are good for 15 minutes. Shall I send a new one?"),
            Line(CHEN, "Yes please."),
        ),
    ),
)
