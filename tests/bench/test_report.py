"""A report says what was measured, and nothing of a run that went wrong."""

import json
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from bench import report, results_file
from bench.correctness import Counts
from bench.machine import filesystem_of, folder_on_disk
from tests.bench.figured import phase, result

FAULTS = [
    Counts(lost=1),
    Counts(doubled=2),
    Counts(disordered=3),
    Counts(unanswered=4),
    Counts(errors=5),
]


def test_a_result_is_read_as_it_was_kept(tmp_path: Path) -> None:
    kept = result(phase(group="100 members"), phase(per_s=None))
    path = results_file.keep(kept, tmp_path)
    assert results_file.read(path) == kept
    assert list(json.loads(path.read_text()))[:3] == ["scenario", "title", "about"]


def test_the_same_result_is_kept_in_the_same_bytes(tmp_path: Path) -> None:
    first = results_file.keep(result(phase()), tmp_path / "one").read_bytes()
    assert results_file.keep(result(phase()), tmp_path / "two").read_bytes() == first


def test_a_file_of_another_shape_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "send_ok.json"
    path.write_text('{"scenario": "send_ok"}')
    with pytest.raises(msgspec.ValidationError):
        results_file.read(path)


def test_scenarios_that_were_not_run_are_left_out_of_the_report(tmp_path: Path) -> None:
    results_file.keep(result(phase()), tmp_path)
    found = results_file.kept(tmp_path, ["fan_out", "send_ok"])
    assert [one.scenario for one in found] == ["send_ok"]


@pytest.mark.parametrize("counts", FAULTS)
def test_the_figures_of_a_void_phase_are_withheld(counts: Counts) -> None:
    void = result(phase(counts=counts))
    assert void.void
    for page in (report.text(void), report.markdown([void], {})):
        assert "VOID" in page
        assert "99.0" not in page
    assert "99.0" in report.text(result(phase()))


def test_a_void_phase_is_never_the_best() -> None:
    void, good = phase(per_s=900, counts=Counts(lost=1)), phase(per_s=100)
    page = report.markdown([result(void, good)], {})
    summary = next(line for line in page.splitlines() if line.startswith("| Send to ok |"))
    assert summary.startswith("| Send to ok | 100 messages/s | 50.0, 99.0 |")
    assert summary.endswith("| 100 messages/s (100/s) |")


def test_the_summary_tells_the_latency_at_half_of_what_was_kept_up_with() -> None:
    phases = [phase(per_s=rate) for rate in (10, 40, 60, 100)]
    page = report.markdown([result(*phases)], {})
    assert "| 100 messages/s | 50.0, 99.0 | 50.0, 99.0 at 40/s |" in page


def test_a_rate_that_was_not_kept_up_with_is_marked() -> None:
    page = report.text(result(phase(per_s=200, late=True)))
    assert "200 late" in page


def test_a_busy_generator_is_marked() -> None:
    busy = replace(phase(), generator_cpu_share=0.95)
    assert "95 % !" in report.text(result(busy))
    assert "!" not in report.text(result(phase()))


def test_every_group_has_a_table_of_its_own() -> None:
    page = report.markdown([result(phase(group="100 members"), phase(group="1,000 members"))], {})
    assert page.count("| load |") == 2
    assert "**1,000 members**" in page


def test_pictures_are_shown_by_their_names() -> None:
    assert "![Send to ok](a.svg)" in report.markdown([result(phase())], {"send_ok": ["a.svg"]})


def test_the_file_system_is_that_of_the_nearest_mount() -> None:
    mounts = "dev / ext4 rw 0 0\nlow /run/deep xfs rw 0 0\ntmpfs /run tmpfs rw 0 0\n"
    assert filesystem_of(Path("/home"), mounts) == "ext4"
    assert filesystem_of(Path("/run/user"), mounts) == "tmpfs"
    assert filesystem_of(Path("/run/deep/er"), mounts) == "xfs"
    assert filesystem_of(Path("/running"), mounts) == "ext4"


def test_there_is_a_folder_for_data() -> None:
    assert folder_on_disk().is_dir()
