"""``python -m gateway.reference``: write docs/reference anew (``make docs``)."""

import sys
from pathlib import Path

from gateway.reference.pages import pages

FOLDER = Path("docs/reference")


def write(folder: Path) -> None:
    """Write every page into ``folder``, and remove what is no page any more."""
    folder.mkdir(parents=True, exist_ok=True)
    written = pages()
    for name, text in written.items():
        (folder / name).write_text(text, encoding="utf-8")
    for stale in folder.glob("*.md"):
        if stale.name not in written:
            stale.unlink()


if __name__ == "__main__":
    write(Path(sys.argv[1]) if sys.argv[1:] else FOLDER)
