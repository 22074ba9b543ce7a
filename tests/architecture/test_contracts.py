"""The import contracts name every room that stands: a new one joins them or this fails."""

import tomllib
from pathlib import PurePosixPath
from typing import Any

from tests.architecture.source import ROOT, Source, feature_folders, parse

NO_BACKENDS = {"persistence/protocols"}
FEATURES_CONTRACT = "Of another feature only its events"
BACKENDS_CONTRACT = "A backend knows no other backend"
BACKENDS_FORBIDDEN_IN = (
    "The engine sees the seams of persistence, never a backend",
    "The seams of persistence know no backend",
    "An API reaches no backend, by no way",
    "Only gateway.compose names a backend",
)

Contracts = dict[str, dict[str, Any]]


def contracts() -> Contracts:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return {
        contract["name"]: contract for contract in settings["tool"]["importlinter"]["contracts"]
    }


def packages(folders: set[str] | frozenset[str]) -> set[str]:
    return {folder.replace("/", ".") for folder in folders}


def backend_folders(sources: tuple[Source, ...]) -> set[str]:
    folders = {source.path.parent for source in sources}
    return {
        folder.as_posix()
        for folder in folders
        if folder.parent == PurePosixPath("persistence") and folder.as_posix() not in NO_BACKENDS
    }


def forgotten(sources: tuple[Source, ...], stated: Contracts) -> set[str]:
    """Return the features and backends that a contract ought to name and does not."""
    features = packages(feature_folders(sources))
    backends = packages(backend_folders(sources))
    missing = features - set(stated[FEATURES_CONTRACT]["modules"])
    missing |= backends - set(stated[BACKENDS_CONTRACT]["modules"])
    for name in BACKENDS_FORBIDDEN_IN:
        missing |= backends - set(stated[name]["forbidden_modules"])
    return missing


def test_every_feature_and_backend_is_under_contract(sources: tuple[Source, ...]) -> None:
    assert forgotten(sources, contracts()) == set()


def test_a_forgotten_feature_and_backend_are_seen() -> None:
    sources = (parse("engine/polls/events.py", ""), parse("persistence/tape/log.py", ""))
    assert forgotten(sources, contracts()) == {"engine.polls", "persistence.tape"}
