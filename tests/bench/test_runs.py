"""Whole runs on real servers: what they find, what they keep, and how they end."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

import pytest

from bench import results_file, self_test
from bench.__main__ import scenarios
from bench.messages import Kept
from bench.peers import TARGETS, parley
from bench.peers.parley import Parley, RunningParley
from bench.peers.target import Delivery, Heard
from bench.scenarios import SCENARIOS

SECONDS = 0.1


@pytest.mark.parametrize("name", list(SCENARIOS))
def test_a_quick_run_keeps_a_result_that_is_not_void(name: str, tmp_path: Path) -> None:
    assert scenarios(name, quick=True, seconds=SECONDS, results=tmp_path) == 0
    kept = results_file.read(tmp_path / f"{name}.json")
    assert kept.scenario == name
    assert not kept.void
    assert all(phase.operations > 0 for phase in kept.phases)
    assert str(tmp_path) not in (tmp_path / f"{name}.json").read_text()


class Losing(RunningParley):
    """Says that the last message of a conversation was never kept."""

    def kept(self, conversation: str) -> list[Kept]:
        return super().kept(conversation)[:-1]


class Doubling(RunningParley):
    """Says that the last message of a conversation was kept twice."""

    def kept(self, conversation: str) -> list[Kept]:
        found = super().kept(conversation)
        return [*found, Kept(found[-1].version + 1, found[-1].text)]


class Swapping(RunningParley):
    """Gives every fourth delivery the version of the next one, and the other way round."""

    def heard(self, payload: bytes) -> Heard:
        found = super().heard(payload)
        if isinstance(found, Delivery) and found.version % 4 < 2:
            return Delivery(found.version ^ 1, found.text)
        return found


@dataclass(frozen=True)
class Lying(Parley):
    """Parley as somebody else would have it."""

    liar: type[RunningParley] = RunningParley

    @contextmanager
    def conversing(self, folder: Path) -> Iterator[RunningParley]:
        with super().conversing(folder) as honest:
            yield self.liar(*(getattr(honest, field.name) for field in fields(honest)))


@pytest.mark.parametrize(
    ("liar", "scenario", "fault"),
    [
        (Losing, "send_ok", "lost"),
        (Doubling, "send_ok", "doubled"),
        (Swapping, "fan_out", "disordered"),
    ],
)
def test_a_server_that_goes_wrong_voids_the_run(
    liar: type[RunningParley],
    scenario: str,
    fault: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(TARGETS, parley.NAME, Lying(liar=liar))
    assert scenarios(scenario, quick=True, seconds=SECONDS, results=tmp_path) == 1
    kept = results_file.read(tmp_path / f"{scenario}.json")
    assert kept.void
    assert all(getattr(phase.counts, fault) > 0 for phase in kept.phases)
    assert "VOID" in capsys.readouterr().out


def test_a_stalled_server_shows_in_an_open_loop_and_hides_in_a_closed_one() -> None:
    assert [finding for finding in self_test.findings(Parley()) if not finding.seen] == []


def test_an_unknown_scenario_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert scenarios("warp") == 2
    assert "fan_out" in capsys.readouterr().out


def test_nothing_but_a_plot_needs_matplotlib() -> None:
    code = "import sys, bench.__main__; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
