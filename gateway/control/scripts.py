"""Support conversations out of a number: the same number gives the same words everywhere. Pure.

Only ``Random.random`` is used: of all the generators in the standard library it alone is promised
to give the same sequence in every version of Python.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from engine.conversation.events import Author, Visibility

_T = TypeVar("_T")

CUSTOMERS = ("anna", "boris", "chen", "dina", "emre", "farah", "george", "hana", "ivan", "julia")
AGENTS = tuple(Author("agent", f"agent_{name}") for name in ("maya", "noah", "olga", "priya"))
BOT = Author("bot", "bot_triage")
MESSAGES_MIN = 2


@dataclass(frozen=True, slots=True)
class Line:
    """One message of a script."""

    author: Author
    text: str
    visibility: Visibility = "public"


@dataclass(frozen=True, slots=True)
class Script:
    """A conversation to be written: its external id, and its messages in order."""

    conversation: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class _Topic:
    opening: str
    questions: tuple[str, ...]
    answers: tuple[str, ...]
    notes: tuple[str, ...]


TOPICS = (
    _Topic(
        "Hello, my order {number} has not arrived. It was due on {day}.",
        ("The tracking page has said 'on its way' since {day}.", "Can it go to my office instead?"),
        (
            "I am sorry about that. The carrier lost sight of parcel {number} on {day}.",
            "A replacement leaves today; you pay nothing.",
        ),
        ("Third parcel lost on this route since {day}; I opened case {number}.",),
    ),
    _Topic(
        "Invoice {number} shows our old address. Can you change it?",
        ("14 Harbour Street, Bristol. Same VAT number.", "Do I get the corrected one by mail?"),
        (
            "Of course. Which address should it show?",
            "Corrected; it is invoice {number} now.",
        ),
        ("Finance closes the books on {day}: correct it before that.",),
    ),
    _Topic(
        "I cannot log in since {day}: it says my link has expired.",
        ("Yes please, send a new one.", "It works in another browser, but not in this one."),
        ("Login links are good for 15 minutes. Shall I send a new one?", "Sent. Is it there?"),
        ("Their mail filter opens links before they do; see note {number}.",),
    ),
    _Topic(
        "We were charged twice for plan {number} this month.",
        ("Both charges are from {day}.", "When will we see the refund?"),
        ("I see both. The second one is refunded today.", "It takes two to three working days."),
        ("Retry after a timeout on {day}; the provider confirmed case {number}.",),
    ),
    _Topic(
        "How do I export everything we have written since {day}?",
        ("Is that with the attachments?", "The file has {number} lines, is that all?"),
        ("Settings, then Data, then Export. It is ready in a few minutes.", "Yes, all of it."),
        ("Asked for twice now: tell product about number {number}.",),
    ),
)
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
HANDING_OVER = "Thanks for writing. I am getting somebody from the team who can help with that."
CLOSING = ("That was quick, thank you!", "Great, that is all I needed.", "Thank you. Nice day!")


def scripts(rng: int, *, conversations: int, messages: int) -> Iterator[Script]:
    """Yield the scripts of seed ``rng``.

    The first n scripts are the same however many are asked for, and a script with fewer messages
    is the beginning of the same script with more: a seed can be grown.

    Args:
        rng: which seed; any integer.
        conversations: how many scripts.
        messages: the most messages of one script, ``MESSAGES_MIN`` or more.
    """
    for number in range(1, conversations + 1):
        name = f"conv_seed_{rng}_{number:05d}"
        length = MESSAGES_MIN + _below(Random(f"{name} length"), messages - MESSAGES_MIN + 1)  # noqa: S311 - no secret
        talk = _talk(Random(name))  # noqa: S311 - no secret
        yield Script(name, tuple(next(talk) for _ in range(length)))


def _talk(dice: Random) -> Iterator[Line]:
    """Yield the lines of a conversation that never ends."""
    customer = Author("user", f"usr_{_one_of(dice, CUSTOMERS)}")
    agent = _one_of(dice, AGENTS)
    topic = _one_of(dice, TOPICS)
    yield Line(customer, _filled(dice, topic.opening))
    yield Line(BOT, HANDING_OVER)
    while True:
        if _below(dice, 4) == 0:
            yield Line(agent, _filled(dice, _one_of(dice, topic.notes)), "note")
        for answer, question in zip(topic.answers, topic.questions, strict=True):
            yield Line(agent, _filled(dice, answer))
            yield Line(customer, _filled(dice, question))
        yield Line(agent, "Is there anything else I can do for you?")
        yield Line(customer, _one_of(dice, CLOSING))
        topic, agent = _one_of(dice, TOPICS), _one_of(dice, AGENTS)
        yield Line(customer, "One more thing. " + _filled(dice, topic.opening))


def _filled(dice: Random, text: str) -> str:
    return text.format(number=1000 + _below(dice, 9000), day=_one_of(dice, DAYS))


def _one_of(dice: Random, choices: Sequence[_T]) -> _T:
    return choices[_below(dice, len(choices))]


def _below(dice: Random, end: int) -> int:
    return int(dice.random() * end)
