"""Runs scenarios and puts their outcome into the one shape."""

from datetime import UTC, datetime

from bench import machine
from bench.figures import Result
from bench.scenario import Bench, Scenario


def run(scenario: Scenario, bench: Bench, command: str) -> Result:
    """Run a scenario on this machine; ``command`` is how it was asked for."""
    machine.allow_open_files()
    facts = machine.facts(machine.folder_on_disk())
    began = datetime.now(UTC)
    phases, chosen = scenario.run(bench)
    settings: dict[str, float | str] = {"seconds_per_load": bench.seconds, **chosen}
    return Result(
        scenario=scenario.name,
        title=scenario.title,
        about=scenario.about,
        target=bench.target.name,
        unit=scenario.unit,
        latency_of=scenario.latency_of,
        date=began.strftime("%Y-%m-%dT%H:%M:%SZ"),
        command=command,
        machine=facts,
        settings=settings,
        void=not phases or any(phase.void for phase in phases),
        phases=phases,
    )
