"""The messages of a load: each says whose and which it is, so that none can be mistaken."""

from typing import NamedTuple

PADDING = "x" * 80
"""Makes a text of about 100 bytes: a line of chat."""


class Key(NamedTuple):
    """Which message of a conversation: its author there, and the author's own number for it."""

    author: int
    number: int


class Kept(NamedTuple):
    """A message as the server has it."""

    version: int
    text: str


def text_of(conversation: str, key: Key) -> str:
    """Return the text of a message."""
    return f"{conversation} {key.author} {key.number} {PADDING}"


def key_of(conversation: str, text: str) -> Key | None:
    """Return which message ``text`` is; ``None`` if it is none that this load wrote there."""
    name, _, rest = text.partition(" ")
    author, _, rest = rest.partition(" ")
    number, _, padding = rest.partition(" ")
    if name != conversation or padding != PADDING:
        return None
    return Key(int(author), int(number))
