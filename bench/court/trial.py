"""What the court tries, and by what: shapes alone. The table of them is ``targets``."""

from collections.abc import Mapping
from dataclasses import dataclass, field

Setting = str | int | float
"""An argument of the load generator."""


@dataclass(frozen=True)
class Pace:
    """How much load a server gets."""

    name: str
    share: float | None = None
    """Of the rate that the same server has reached at :data:`FULL`; ``None``: closed loop."""
    both_cores: bool = False
    """Whether the server may run on the generator's core, too."""


FULL = Pace("full")
"""A closed loop: as fast as it goes."""

HALF = Pace("half", share=0.5)
TENTH = Pace("tenth", share=0.1)
BOTH_CORES = Pace("full, both cores", both_cores=True)


@dataclass(frozen=True)
class Party:
    """One server in a trial."""

    peer: str
    """The name of the server in ``bench.peers.table``."""
    label: str = ""
    """What it is called in this trial, if not by its name."""
    dialect: str = ""
    """What the generator speaks with it, if not its usual one."""
    settings: Mapping[str, Setting] = field(default_factory=dict)
    """What it is asked for, beside what all are."""
    paced_by: str = ""
    """The party whose full rate decides this one's lower paces; such a party has no full one."""
    paced_scenario: str = ""
    """Of the generator, at a rate, if not the trial's."""

    @property
    def name(self) -> str:
        return self.label or self.peer


@dataclass(frozen=True)
class Figure:
    """One figure of a party: a name of the generator's, nested ones with a dot."""

    name: str
    party: str
    pace: Pace = FULL


@dataclass(frozen=True)
class Claim:
    """A target: ``(figure - less) / over``, in each repetition, against two bounds."""

    text: str
    figure: Figure
    floor: float
    goal: float | None = None
    less: Figure | None = None
    over: Figure | None = None
    at_most: bool = False
    """Whether less is better."""
    unit: str = "x"
    scale: float = 1.0
    """From the unit of the figure to ``unit``."""

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Everything that it is made of."""
        return tuple(part for part in (self.figure, self.less, self.over) if part is not None)


@dataclass(frozen=True)
class Trial:
    """One load that several servers are given in turn."""

    name: str
    title: str
    state: str
    """What was under way: a figure without it says nothing."""
    scenario: str
    """Of the generator, in the closed loop."""
    settings: Mapping[str, Setting]
    parties: tuple[Party, ...]
    claims: tuple[Claim, ...]
    rate: str = "deliveries_per_s"
    """The figure that a table shows first."""
    cost: str = "server_cpu_us_per_delivery"
    """The figure of the server's processor time that belongs to it."""
    paces: tuple[Pace, ...] = (FULL,)
    paced_scenario: str = ""
    """Of the generator, at a rate, if not the same."""
    paced_settings: Mapping[str, Setting] = field(default_factory=dict)
    """Settings that a rate needs beside."""
    repetitions_max: int | None = None
    """How often is enough, where a repetition takes long and differs little from the next."""
    both_cores: bool = True
    """Whether Parley is measured once more with both cores."""
    quick: Mapping[str, Setting] = field(default_factory=dict)
    """Settings of a smoke run."""
