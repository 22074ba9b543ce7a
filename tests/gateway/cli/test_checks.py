"""The doctor's checks: each sees what it is there for, and touches nothing."""

import base64
import os
import resource
import shutil
import socket
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gateway.cli import checks
from gateway.cli.checks import FAIL, OK, WARN, Finding, Surroundings, every_check
from gateway.config import Settings
from gateway.limits import DISK_FREE_BYTES_MIN


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def always(value: Any) -> Any:
    """Return a function that returns ``value``, whatever it is given."""
    return lambda *_: value


@pytest.fixture
def around(tmp_path: Path) -> Surroundings:
    """A healthy production."""
    (tmp_path / "data").mkdir(mode=0o700)
    key = tmp_path / "master.key"
    key.write_bytes(base64.b64encode(bytes(32)))
    key.chmod(0o600)
    settings = Settings(data=tmp_path / "data", master_key_file=key, port=0)
    return Surroundings(settings, {}, tmp_path, None, None)


def changed(around: Surroundings, **settings: Any) -> Surroundings:
    return replace(around, settings=replace(around.settings, **settings))


def test_a_healthy_machine_fails_nothing(around: Surroundings) -> None:
    findings = every_check(around)
    assert len({finding.check for finding in findings}) == len(checks.CHECKS)
    assert [finding for finding in findings if finding.level == FAIL] == []
    assert all(finding.detail for finding in findings)


def test_whatever_is_not_fine_comes_with_advice(tmp_path: Path) -> None:
    ill = Surroundings(
        Settings(data=tmp_path / "none", store="memory"),
        {"PARLEY_PROT": "1"},
        tmp_path,
        None,
        "it does not answer",
    )
    findings = [finding for finding in every_check(ill) if finding.level != OK]
    assert {finding.check for finding in findings} >= {"settings", "production", "folder", "server"}
    assert all(finding.advice for finding in findings)


def state_of(folder: Path) -> list[tuple[str, int, int]]:
    return [
        (str(path.relative_to(folder)), path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
    ]


def test_nothing_in_the_folder_is_changed(around: Surroundings) -> None:
    (around.data / "LOCK").write_text("1\n")
    before = state_of(around.data)
    every_check(around)
    assert state_of(around.data) == before


def test_the_folders_owner_mode_and_kind_are_looked_at(
    around: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert checks.folder(around).level == OK
    around.data.chmod(0o755)
    found = checks.folder(around)
    assert (found.level, found.advice) == (WARN, f"chmod 700 {around.data}")
    file = around.folder / "master.key"
    assert checks.folder(changed(around, data=file)).level == FAIL
    assert checks.folder(changed(around, data=around.folder / "none")).level == WARN
    monkeypatch.setattr(os, "geteuid", always(around.data.stat().st_uid + 1))
    assert "belongs to user" in checks.folder(around).detail


def test_the_master_key_is_read_and_lies_elsewhere(around: Surroundings) -> None:
    assert checks.key(around).level == OK
    key = around.settings.master_key_file
    assert key is not None
    key.chmod(0o644)
    assert "chmod 600" in checks.key(around).detail
    key.chmod(0o600)
    inside = around.data / "prod.key"
    shutil.copy(key, inside)
    assert checks.key(changed(around, master_key_file=inside)).level == FAIL
    assert checks.key(changed(around, master_key_file=None)).level == WARN
    shutil.copy(key, around.data / "master.key")
    assert checks.key(changed(around, master_key_file=None)).level == OK
    (around.data / "master.key").write_text("short")
    assert checks.key(changed(around, master_key_file=None)).level == FAIL
    assert key.read_text() not in str(every_check(around))


def test_who_holds_the_folder_is_named(around: Surroundings) -> None:
    assert checks.holder(around) == Finding("server", OK, "none is running")
    (around.data / "LOCK").write_text(f"{os.getpid()}\n")
    found = checks.holder(around)
    assert found.level == WARN
    assert str(os.getpid()) in found.detail
    (around.data / "LOCK").write_text(f"{2**22 + 1}\n")
    assert checks.holder(around).level == OK
    status = {"pid": 7, "url": "http://127.0.0.1:9", "newest_record_at": None}
    assert "process 7" in checks.holder(replace(around, status=status)).detail
    assert checks.holder(replace(around, trouble="no answer")).level == FAIL


def test_a_port_that_is_taken_is_seen_unless_it_is_ours(around: Surroundings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        busy = changed(around, port=port)
        assert checks.port(busy).level == FAIL
        status = {"pid": 7, "url": f"http://127.0.0.1:{port}", "newest_record_at": None}
        assert checks.port(replace(busy, status=status)).level == OK
    assert checks.port(busy).level == OK
    assert checks.port(changed(around, port=1, host="203.0.113.1")).level == FAIL


def test_a_disk_that_lies_and_one_that_is_slow_are_seen(
    around: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = checks.fsync(around)
    assert " ms a synced write" in found.detail
    for seconds, level, words in (
        (5e-6, WARN, "does not sync"),
        (0.2, WARN, "slow"),
        (0.001, OK, ""),
    ):
        monkeypatch.setattr(checks, "_fsync_s", always(seconds))
        found = checks.fsync(around)
        assert found.level == level
        assert words in found.advice

    def broken(where: Path) -> float:
        raise OSError(where)

    monkeypatch.setattr(checks, "_fsync_s", broken)
    assert checks.fsync(around).level == FAIL


def test_what_runs_out_is_seen(around: Surroundings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", always(Usage(1, 1, DISK_FREE_BYTES_MIN - 1)))
    assert checks.disk(around).level == WARN
    monkeypatch.setattr(resource, "getrlimit", always((1024, 4096)))
    assert checks.open_files(around).level == WARN
    monkeypatch.setattr(resource, "getrlimit", always((65_536, 65_536)))
    assert checks.open_files(around).level == OK


def test_a_clock_before_the_newest_record_is_seen(around: Surroundings) -> None:
    log = around.data / "ws_1" / "live" / "log.db"
    log.parent.mkdir(parents=True)
    log.write_bytes(b"")
    assert checks.clock(around).level == OK
    os.utime(log, (time.time() + 3600, time.time() + 3600))
    assert checks.clock(around).level == FAIL
    os.utime(log)
    status = {"pid": 7, "url": None, "newest_record_at": "2999-01-01T00:00:00.000Z"}
    assert checks.clock(replace(around, status=status)).level == FAIL


def test_settings_that_nothing_reads_are_named(around: Surroundings) -> None:
    assert checks.settings_known(around).level == OK
    known = {"PARLEY_PORT": "1", "PARLEY_KEY": "k", "PARLEY_URL": "u", "PATH": "/bin"}
    assert checks.settings_known(replace(around, environ=known)).level == OK
    found = checks.settings_known(replace(around, environ={"PARLEY_PROT": "1"}))
    assert (found.level, "PARLEY_PROT" in found.detail) == (WARN, True)
    file = around.folder / "parley.toml"
    file.write_text('log-level = "info"\nport = 1\n')
    assert checks.settings_known(around).level == OK
    file.write_text("prot = 1\n")
    found = checks.settings_known(around)
    assert (found.level, "prot" in found.detail) == (FAIL, True)
    file.write_text("port = = 1\n")
    assert checks.settings_known(around).level == FAIL


def test_what_production_refuses_fails_where_production_is_meant(around: Surroundings) -> None:
    assert checks.production(around).level == OK
    outside = changed(around, host="192.0.2.1")
    assert checks.production(outside).level == FAIL
    assert "plain HTTP" in checks.production(outside).advice
    assert checks.production(changed(outside, master_key_file=None)).level == WARN
    assert checks.production(changed(around, tls_cert=Path("half.pem"))).level == FAIL


def test_an_old_python_is_refused(around: Surroundings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert checks.python(around).level == OK
    monkeypatch.setattr(sys, "version_info", (3, 10, 0))
    assert checks.python(around).level == FAIL
