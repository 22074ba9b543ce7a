"""Records with figures that are easy to follow."""

from bench.court.record import Cell, Record
from bench.machine import Machine

OURS, OFF, THEIRS, OTHERS = "Parley", "Parley, storage off", "socket.io", "nats-server"


def cell(
    party: str,
    rate: float = 100.0,
    *,
    repetition: int = 1,
    pace: str = "full",
    failure: str = "",
    **figures: float,
) -> Cell:
    """Return a cell; ``__`` in the name of a figure is a dot."""
    more = {name.replace("__", "."): value for name, value in figures.items()}
    return Cell(
        party=party,
        pace=pace,
        repetition=repetition,
        settings={"scenario": "fanout", "members": 100},
        load_average=0.1,
        figures={} if failure else {"deliveries_per_s": rate, **more},
        failure=failure,
    )


def record(*cells: Cell, repetitions: int = 3, missing: dict[str, str] | None = None) -> Record:
    """Return the record of a trial that these cells are all of."""
    parties = {one.party for one in cells}
    return Record(
        trial="planted",
        date="2026-01-18T12:00:00Z",
        command="python -m bench court planted",
        machine=Machine(2, "x86_64", "3.11.7", "Linux 6.1", "ext4", 0.1),
        pinned="server on one core, generator on another",
        repetitions=repetitions,
        seconds=1.5,
        warm_up_s=0.5,
        versions={party: {f"lib-of-{party}": "1.2.3"} for party in sorted(parties)},
        missing=missing or {},
        cells=list(cells),
    )
