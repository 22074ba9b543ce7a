"""Judges a record by the claims of its trial. Pure: a record in, verdicts out."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median

from bench.court.record import Cell, Record
from bench.court.trial import FULL, Claim, Figure, Trial

OURS = "Parley"
"""How every party begins that is ours: what goes wrong with one of them voids the claim."""


class Outcome(StrEnum):
    """What a claim came to."""

    GOAL = "goal"
    FLOOR = "floor"
    MISSED = "MISSED"
    VOID = "VOID"
    UNMEASURED = "not measured"


@dataclass(frozen=True)
class Spread:
    """A figure over the repetitions."""

    median: float
    least: float
    most: float
    count: int


@dataclass(frozen=True)
class Verdict:
    """A claim, what was measured of it, and what that means."""

    claim: Claim
    outcome: Outcome
    spread: Spread | None = None
    why: str = ""
    """What was wrong, or is missing; or which repetitions were left out."""


def spread(values: Sequence[float]) -> Spread | None:
    """Return median and range; ``None`` of nothing."""
    if not values:
        return None
    return Spread(median(values), min(values), max(values), len(values))


def figure_of(record: Record, figure: Figure) -> Spread | None:
    """Return a figure over those repetitions that are not void."""
    cells = record.of(figure.party, figure.pace.name)
    return spread([cell.figures[figure.name] for cell in cells if _has(cell, figure)])


def judged(trial: Trial, record: Record) -> list[Verdict]:
    """Return a verdict for every claim of a trial."""
    return [judge(claim, record) for claim in trial.claims]


def judge(claim: Claim, record: Record) -> Verdict:
    """Return the verdict of one claim.

    Wrong cells of ours make it void, also those at full pace that a lower one is a share of. Wrong
    cells of another server are left out, and so is the rest
    of their repetition, since only what was measured side by side is compared.
    """
    absent = [figure.party for figure in claim.figures if figure.party in record.missing]
    if absent:
        why = f"{absent[0]}: {record.missing[absent[0]]}"
        return Verdict(claim, Outcome.UNMEASURED, why=why)
    ours = [
        cell
        for figure in claim.figures
        if figure.party.startswith(OURS)
        for pace in (FULL, figure.pace)
        for cell in record.of(figure.party, pace.name)
        if cell.void
    ]
    if ours:
        return Verdict(claim, Outcome.VOID, why=fault(ours[0]))
    return _weighed(claim, record)


def fault(cell: Cell) -> str:
    """Say what was wrong with a void cell, and where."""
    return f"{cell.party}, {cell.pace}, repetition {cell.repetition}: {cell.fault}"


def _weighed(claim: Claim, record: Record) -> Verdict:
    values = [_value(claim, record, at) for at in range(1, record.repetitions + 1)]
    measured = spread([value for value in values if value is not None])
    if measured is None:
        return Verdict(claim, Outcome.UNMEASURED, why=_lacking(claim, record))
    left_out = record.repetitions - measured.count
    why = f"without {left_out} of {record.repetitions} repetitions" if left_out else ""
    return Verdict(claim, _outcome(claim, measured.median), measured, why)


def _value(claim: Claim, record: Record, repetition: int) -> float | None:
    """Return what a claim comes to in one repetition; ``None`` if a part of it is not there."""
    parts: list[float] = []
    for figure in claim.figures:
        cells = record.of(figure.party, figure.pace.name)
        found = [cell for cell in cells if cell.repetition == repetition and _has(cell, figure)]
        if not found:
            return None
        parts.append(found[0].figures[figure.name])
    value = parts.pop(0)
    value -= parts.pop(0) if claim.less is not None else 0.0
    over = parts.pop(0) if claim.over is not None else 1.0
    return value / over * claim.scale if over else None


def _outcome(claim: Claim, value: float) -> Outcome:
    def reached(bound: float) -> bool:
        return value <= bound if claim.at_most else value >= bound

    if claim.goal is not None and reached(claim.goal):
        return Outcome.GOAL
    return Outcome.FLOOR if reached(claim.floor) else Outcome.MISSED


def _lacking(claim: Claim, record: Record) -> str:
    for figure in claim.figures:
        if figure_of(record, figure) is None:
            void = [cell for cell in record.of(figure.party, figure.pace.name) if cell.void]
            return fault(void[0]) if void else f"no {figure.name} of {figure.party}"
    return "never all in one repetition"


def _has(cell: Cell, figure: Figure) -> bool:
    return not cell.void and figure.name in cell.figures
