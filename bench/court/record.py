"""What the court has measured, as it is kept: one file a trial, every cell and repetition in it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from bench.machine import Machine

RECORDS = Path(__file__).parents[1] / "results" / "court"
WRONG = ("lost", "doubled", "disordered", "errors", "unacked", "unfinished", "version_faults")
"""The figures of the generator that must be 0. *Unfinished*: came, but more than half a minute
after the load; *version faults*: the versions that a member saw did not rise by one."""


@dataclass(frozen=True)
class Cell:
    """One party, one pace, one repetition."""

    party: str
    pace: str
    repetition: int
    settings: dict[str, str | int | float]
    """What the generator was asked for, but for addresses and keys."""
    load_average: float
    """Of the last minute, before it."""
    figures: dict[str, float]
    """Everything that the generator said, nested names with a dot, and what the court took."""
    failure: str = ""
    """Why there are no figures; or the first error, where there were some."""

    @property
    def wrong(self) -> dict[str, float]:
        """What went wrong, by how often; empty if nothing did."""
        return {name: self.figures[name] for name in WRONG if self.figures.get(name)}

    @property
    def fault(self) -> str:
        """What was wrong, in words."""
        told = [f"{count:g} {name}" for name, count in self.wrong.items()]
        return "; ".join([*told, *([self.failure] if self.failure else [])])

    @property
    def void(self) -> bool:
        """Whether its figures are worth nothing."""
        return bool(self.failure or self.wrong)


@dataclass(frozen=True)
class Record:
    """One trial, as it was held."""

    trial: str
    date: str
    command: str
    machine: Machine
    pinned: str
    """Which cores server and generator had."""
    repetitions: int
    seconds: float
    warm_up_s: float
    versions: dict[str, dict[str, str]]
    """Party → package → version."""
    missing: dict[str, str]
    """Party → why it could not be had."""
    cells: list[Cell]

    def of(self, party: str, pace: str) -> list[Cell]:
        """Return the cells of a party at a pace, in the order of their repetitions."""
        return [cell for cell in self.cells if (cell.party, cell.pace) == (party, pace)]


def flattened(figures: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """Return the numbers of nested objects under dotted names; what is no number is left out."""
    found: dict[str, float] = {}
    for name, value in figures.items():
        if isinstance(value, Mapping):
            found |= flattened(value, f"{prefix}{name}.")
        elif isinstance(value, int | float):
            found[prefix + name] = value
    return found


def keep(record: Record, folder: Path) -> Path:
    """Write a record to the file of its trial."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{record.trial}.json"
    raw = msgspec.json.format(msgspec.json.encode(asdict(record)), indent=1)
    path.write_bytes(raw + b"\n")
    return path


def read(path: Path) -> Record:
    """Read what :func:`keep` has written.

    Raises:
        msgspec.ValidationError: it has another shape.
    """
    return msgspec.json.decode(path.read_bytes(), type=Record)


def kept(folder: Path, trials: Iterable[str]) -> Sequence[Record]:
    """Read the records of those trials that were held, in the order of ``trials``."""
    paths = [folder / f"{trial}.json" for trial in trials]
    return [read(path) for path in paths if path.exists()]
