"""What is asked for on the command line is held, and without a compiler that is said."""

from pathlib import Path

import pytest

from bench.__main__ import court
from bench.court import command, record
from bench.court.sitting import Bounds
from bench.court.targets import TRIALS
from bench.scenarios import SCENARIOS


def test_an_unknown_trial_is_refused_before_anything_is_started(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert court("warp") == 2
    assert "fan_out_100_w16" in capsys.readouterr().out


def test_without_a_compiler_parley_is_measured_alone_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name in set(SCENARIOS) - {"append_batch"}:
        monkeypatch.delitem(SCENARIOS, name)
    monkeypatch.setenv("PATH", "")
    assert court(quick=True, results=tmp_path) == 0
    told = capsys.readouterr().out
    assert "no C compiler" in told
    assert "no peer is measured" in told
    assert [path.name for path in tmp_path.iterdir()] == ["append_batch.json"]


def test_a_smoke_run_is_short_unless_it_is_asked_for_more() -> None:
    assert command.bounds(None, None, quick=False) == Bounds(3, 1.5, 0.5)
    assert command.bounds(None, None, quick=True) == Bounds(1, 0.4, 0.2, quick=True)
    assert command.bounds(2, 9.0, quick=True) == Bounds(2, 9.0, 0.2, quick=True)


def test_a_trial_is_kept_with_the_command_that_holds_it_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trial = TRIALS["storm_5000"]
    assert court(trial.name, quick=True, results=tmp_path) in {0, 1}
    kept = record.read(tmp_path / f"{trial.name}.json")
    assert kept.command == "python -m bench court storm_5000 --quick"
    assert f"{trial.title}: " in capsys.readouterr().out
