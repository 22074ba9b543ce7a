"""What was measured is kept as it was, and read again."""

import json
from pathlib import Path

import msgspec
import pytest

from bench.court import record as records
from bench.court.record import WRONG, flattened
from bench.court.targets import TRIALS
from tests.bench.court.recorded import OURS, cell, record


def test_a_record_is_read_as_it_was_kept(tmp_path: Path) -> None:
    kept = record(cell(OURS, latency_us__p99=1.5), cell(OURS, repetition=2, lost=1))
    path = records.keep(kept, tmp_path)
    assert path.name == "planted.json"
    assert records.read(path) == kept
    assert list(json.loads(path.read_text()))[:3] == ["trial", "date", "command"]


def test_the_same_record_is_kept_in_the_same_bytes(tmp_path: Path) -> None:
    first = records.keep(record(cell(OURS)), tmp_path / "one").read_bytes()
    assert records.keep(record(cell(OURS)), tmp_path / "two").read_bytes() == first


def test_a_file_of_another_shape_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "planted.json"
    path.write_text('{"trial": "planted"}')
    with pytest.raises(msgspec.ValidationError):
        records.read(path)


def test_trials_that_were_not_held_are_left_out(tmp_path: Path) -> None:
    records.keep(record(cell(OURS)), tmp_path)
    found = records.kept(tmp_path, [*TRIALS, "planted"])
    assert [one.trial for one in found] == ["planted"]


def test_nested_figures_get_dotted_names_and_unknown_ones_are_left_out() -> None:
    told = {"a": 1, "b": {"p50": 2.5, "c": {"d": 3}}, "window": None, "first_error": "none"}
    assert flattened(told) == {"a": 1, "b.p50": 2.5, "b.c.d": 3}


@pytest.mark.parametrize("fault", WRONG)
def test_one_message_gone_wrong_makes_a_cell_void(fault: str) -> None:
    faulty = cell(OURS)
    faulty.figures[fault] = 1
    assert faulty.void
    assert faulty.fault == f"1 {fault}"
    assert not cell(OURS).void


def test_a_cell_without_figures_is_void() -> None:
    assert cell(OURS, failure="the server did not become ready").void
