"""A server is waited for until it says that it is ready, and is gone when the block ends."""

import math
import os
import re
import sys
from pathlib import Path

import pytest

from bench.peers import process
from bench.peers.peer import environment
from bench.peers.process import OUTPUT, NotReadyError, started

PORT = re.compile(r"port (\d+)")


def program(code: str) -> list[str]:
    return [sys.executable, "-u", "-c", code]


def test_a_server_is_ready_when_it_says_so_and_ended_with_the_block(tmp_path: Path) -> None:
    code = "import sys, time; print('hello'); print('port 81', file=sys.stderr); time.sleep(60)"
    with started(program(code), tmp_path, PORT, environment=environment()) as server:
        assert server.said[1] == "81"
        os.kill(server.pid, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(server.pid, 0)
    assert "hello" in (tmp_path / OUTPUT).read_text()


def test_a_server_that_ends_before_it_is_ready_is_told_at_once_with_what_it_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "START_SECONDS", math.inf)
    with (
        pytest.raises(NotReadyError, match=r"(?s)not become ready\n.*no such luck"),
        started(
            program("raise SystemExit('no such luck')"), tmp_path, PORT, environment=environment()
        ),
    ):
        pytest.fail("it was never ready")


def test_a_server_that_said_all_and_ended_was_ready(tmp_path: Path) -> None:
    with started(program("print('port 9')"), tmp_path, PORT, environment=environment()) as server:
        assert server.said[1] == "9"


def test_a_server_runs_on_the_cores_it_was_given_and_its_starter_on_its_own(
    tmp_path: Path,
) -> None:
    before = os.sched_getaffinity(0)
    one = frozenset({max(before)})
    code = "import os; print('port', *os.sched_getaffinity(0)); input()"
    with started(program(code), tmp_path, PORT, environment=environment(), cores=one) as server:
        assert {int(server.said[1])} == one
    assert os.sched_getaffinity(0) == before


def test_no_setting_of_parley_reaches_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARLEY_STORE", "memory")
    monkeypatch.setenv("HOME", "/somewhere")
    assert "PARLEY_STORE" not in environment()
    assert environment()["HOME"] == "/somewhere"
