"""Results: a table for people, and a file that is kept."""

import json
import os
import platform
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
COLUMNS = (
    ("load", 12),
    ("msg/s", 9),
    ("p50 ms", 8),
    ("p99 ms", 8),
    ("max ms", 8),
    ("server µs", 10),
    ("client µs", 10),
    ("acked", 8),
    ("lost", 5),
    ("doubled", 8),
    ("disordered", 11),
)


def keep(result: dict[str, Any]) -> Path:
    """Write the result of a scenario to its file."""
    surroundings = {"python": platform.python_version(), "cores": os.cpu_count()}
    path = RESULTS / f"{result['scenario']}.json"
    path.write_text(json.dumps(result | surroundings, indent=2) + "\n", encoding="utf-8")
    return path


def show(result: dict[str, Any]) -> None:
    """Print the result of a scenario."""
    print(
        f"{result['scenario']}: {result['connections']} connections, window {result['window']}, "
        f"one synced write {result['sync_us_p50']} µs, server {result['resident_mib']} MiB"
    )
    print("".join(name.rjust(width) for name, width in COLUMNS))
    for phase in result["phases"]:
        print(_row(phase))
    if result["void"]:
        print("VOID: not everything that was sent was answered, kept once, and kept in order")


def _row(phase: dict[str, Any]) -> str:
    counts = phase["counts"]
    offered = phase["offered_per_s"]
    cells = (
        "closed" if offered is None else f"{offered}/s" + ("" if phase["keeps_up"] else " late"),
        phase["per_s"],
        phase["p50_ms"],
        phase["p99_ms"],
        phase["max_ms"],
        phase["server_cpu_us"],
        phase["client_cpu_us"],
        counts["acked"],
        counts["lost"],
        counts["doubled"],
        counts["disordered"],
    )
    return "".join(str(cell).rjust(width) for cell, (_, width) in zip(cells, COLUMNS, strict=True))
