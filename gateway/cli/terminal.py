"""What a command prints: tables, counters, and texts of strangers made harmless."""

import sys
from collections.abc import Sequence

import trio

CLEAR_LINE = "\r\x1b[K"
LINE_SECONDS = 1.0
"""How often a counter prints a line where it cannot overwrite the last one."""


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return ``rows``, the first of them the titles, in columns."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
             for row in rows)  # fmt: skip
    return "\n".join(line.rstrip() for line in lines)


def harmless(text: str) -> str:
    """Return ``text`` on one line, without anything that a terminal would obey."""
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    if char in "\r\n\t":
        return " "
    return char.encode("unicode_escape", "backslashreplace").decode()


class Counter:
    """Says on stderr how far a command is: one line that counts, or a line now and then."""

    def __init__(self, what: str, *, quiet: bool) -> None:
        """Count ``what``; say nothing if ``quiet``."""
        self._what = what
        self._quiet = quiet
        self._overwrites = sys.stderr.isatty()
        self._told_at = float("-inf")
        self._is_open = False

    async def told(self, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` are done."""
        await trio.lowlevel.checkpoint()
        if self._quiet:
            return
        line = f"{done:,} of {total:,} {self._what}"
        if self._overwrites:
            print(f"{CLEAR_LINE}{line}", end="", file=sys.stderr, flush=True)
            self._is_open = True
        elif done == total or trio.current_time() - self._told_at >= LINE_SECONDS:
            self._told_at = trio.current_time()
            print(line, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Leave the line that counts as it is."""
        if self._is_open:
            print(file=sys.stderr, flush=True)
            self._is_open = False
