"""Words that stand for what people have written, and are searched for in every byte of a folder."""

import secrets
import string
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.support.data_folder import contents, strangers

CANARY_BYTES = 64
_LETTERS = string.ascii_letters + string.digits


class Canaries:
    """Canaries by name: each is made when it is first asked for."""

    def __init__(self) -> None:
        self._made: dict[str, str] = {}

    def __getitem__(self, name: str) -> str:
        if name not in self._made:
            self._made[name] = "".join(secrets.choice(_LETTERS) for _ in range(CANARY_BYTES))
        return self._made[name]

    @property
    def names(self) -> list[str]:
        return sorted(self._made)

    def among(self, names: Iterable[str]) -> "Canaries":
        """Return some of them."""
        chosen = Canaries()
        chosen._made = {name: self._made[name] for name in names}
        return chosen

    def in_bytes(self, data: bytes) -> set[str]:
        """Return the names of those in ``data``.

        One half is enough: a page of a database may end within a canary, but not in both halves.
        """
        middle = CANARY_BYTES // 2
        return {
            name
            for name, text in self._made.items()
            if text[:middle].encode() in data or text[middle:].encode() in data
        }

    def in_files(self, files: Mapping[str, bytes]) -> set[tuple[str, str]]:
        """Return (file, name) of every canary that is found."""
        return {(file, name) for file, data in files.items() for name in self.in_bytes(data)}


def readable(folder: Path, canaries: Canaries) -> set[tuple[str, str]]:
    """Return where a canary stands in plain text in a data folder, all of whose files are known."""
    assert strangers(folder) == [], "a file that is not searched: name it in data_folder.KNOWN"
    files = contents(folder)
    assert files, "an empty folder holds no canary, and shows nothing"
    return canaries.in_files(files)
