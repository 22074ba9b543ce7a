"""What may be written, and what a reader should know of it before it is shown. Pure."""

import re
import unicodedata

from engine.conversation.events import Flag
from engine.errors import FieldError, ForbiddenCharacterError, OutOfRangeError
from engine.limits import MARKS_IN_A_ROW_MAX, MESSAGE_TEXT_CHARACTERS_MAX

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]")
"""Line breaks (``\\n``, ``\\r``, ``\\x85``) and tabs are what a text may have."""
_BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Characters that change the direction of what follows (Unicode Standard Annex 9)."""


_LINES = frozenset({"Cc", "Zl", "Zp"})
"""Control characters, and those that begin a line or a paragraph."""


def check_text(text: str, *, field: str = "text") -> None:
    """Refuse a text that cannot be stored or shown as it is.

    Raises:
        ForbiddenCharacterError: control characters other than line breaks and tabs, or more than
            ``MARKS_IN_A_ROW_MAX`` combining marks in a row.
        OutOfRangeError: more than ``MESSAGE_TEXT_CHARACTERS_MAX`` code points.
    """
    if _CONTROL.search(text):
        raise _forbidden(field, "control characters other than line breaks and tabs")
    if len(text) > MESSAGE_TEXT_CHARACTERS_MAX:
        detail = f"a text has at most {MESSAGE_TEXT_CHARACTERS_MAX} characters"
        raise OutOfRangeError(detail, errors=[FieldError(field, "out_of_range", detail)])
    if not text.isascii() and _marks_in_a_row(text) > MARKS_IN_A_ROW_MAX:
        detail = f"at most {MARKS_IN_A_ROW_MAX} combining marks stand in a row"
        raise _forbidden(field, detail)


def check_name(text: str, *, field: str) -> None:
    """Refuse a tag, a channel or an attribute's name that does not print on one line.

    Raises:
        ForbiddenCharacterError: line breaks, control characters, or too many combining marks.
    """
    check_text(text, field=field)
    if any(unicodedata.category(character) in _LINES for character in text):
        raise _forbidden(field, "a name has no control characters and stands on one line")


def flags_of(text: str) -> tuple[Flag, ...]:
    """Return what a reader should know of ``text``; it is stored as it was sent."""
    return ("bidi_controls",) if not text.isascii() and _BIDI.search(text) else ()


def _marks_in_a_row(text: str) -> int:
    longest = row = 0
    for character in text:
        # Not ``combining``: it is 0 for the marks of many scripts, and for those that enclose.
        row = row + 1 if unicodedata.category(character)[0] == "M" else 0
        longest = max(longest, row)
    return longest


def _forbidden(field: str, detail: str) -> ForbiddenCharacterError:
    return ForbiddenCharacterError(
        detail, errors=[FieldError(field, "forbidden_character", detail)]
    )
