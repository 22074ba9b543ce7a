"""The little Markdown the reference needs."""

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; a bar or a line break inside a cell cannot break it."""
    lines = [_row(head), _row(["---"] * len(head)), *(_row(row) for row in rows)]
    return "\n".join(lines)


def code(text: str) -> str:
    """Return ``text`` as code, nothing for nothing."""
    return f"`{text}`" if text else ""


def codes(texts: Iterable[str]) -> str:
    """Return several pieces of code with commas between them."""
    return ", ".join(map(code, texts))


def prose(docstring: str | None) -> str:
    """Return a docstring as Markdown: code between single ticks, every paragraph on one line."""
    paragraphs = (docstring or "").replace("``", "`").replace("`None`", "`null`").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs).strip()


def sentences(texts: Iterable[str]) -> str:
    """Return texts as sentences behind one another; an empty one is none."""
    return " ".join(text if text.endswith((".", "?")) else f"{text}." for text in texts if text)


def page(title: str, *parts: str) -> str:
    """Return a page out of its parts, which have an empty line between them."""
    head = f"# {title}\n\n<!-- Written by `make docs` from the code; change it there. -->"
    return "\n\n".join([head, *(part for part in parts if part)]) + "\n"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
