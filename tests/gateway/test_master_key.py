"""The key of a sandbox: made once, by whoever comes first, and never made again over another."""

import os
from pathlib import Path

import pytest

from gateway import master_key
from gateway.config import UnsafeSettingsError


def test_a_sandbox_has_the_same_key_at_every_start(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    key = master_key.read_or_make(folder)
    assert len(key) == 32
    assert master_key.read_or_make(folder) == key
    assert [path.name for path in folder.iterdir()] == [master_key.FILE_NAME]
    assert (folder / master_key.FILE_NAME).stat().st_mode & 0o777 == 0o600


def test_of_two_first_starts_at_once_one_key_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other start makes its file in the moment before ours gets its name."""
    link = os.link
    others: list[bytes] = []

    def slower(made: str, path: Path) -> None:
        monkeypatch.setattr(os, "link", link)
        others.append(master_key.read_or_make(tmp_path))
        link(made, path)

    monkeypatch.setattr(os, "link", slower)
    assert [master_key.read_or_make(tmp_path)] == others


def test_a_data_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "data"
    file.write_text("not a folder")
    with pytest.raises(UnsafeSettingsError, match="data folder"):
        master_key.read_or_make(file)
