"""Results as files: members in the order of the shape, so that two runs can be compared."""

from dataclasses import asdict
from pathlib import Path

import msgspec

from bench.figures import Result

RESULTS = Path(__file__).parent / "results"


def keep(result: Result, folder: Path) -> Path:
    """Write a result to the file of its scenario."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{result.scenario}.json"
    raw = msgspec.json.format(msgspec.json.encode(asdict(result)), indent=1)
    path.write_bytes(raw + b"\n")
    return path


def read(path: Path) -> Result:
    """Read what :func:`keep` has written.

    Raises:
        msgspec.ValidationError: it has another shape.
    """
    return msgspec.json.decode(path.read_bytes(), type=Result)


def kept(folder: Path, names: list[str]) -> list[Result]:
    """Read the results of those scenarios that were run, in the order of ``names``."""
    paths = [folder / f"{name}.json" for name in names]
    return [read(path) for path in paths if path.exists()]
