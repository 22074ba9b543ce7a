"""The peers are pinned with hashes, installed where they belong, and said to be missing if not."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

import pytest

from bench.peers import homes
from bench.peers.homes import (
    SOURCES,
    STAMP,
    MissingError,
    NodeHome,
    NodeRuntime,
    PythonHome,
    locked,
    pins,
)
from bench.peers.table import PEERS

LOCKED = ("nats", "node_runtime", "python")
EXACT = re.compile(r"\d+\.\d+\.\d+")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


@pytest.mark.parametrize("name", LOCKED)
def test_every_requirement_is_pinned_with_hashes(name: str) -> None:
    text = (SOURCES / name / "requirements.txt").read_text()
    blocks = re.split(r"\n(?=\S)", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE))
    assert len(blocks) == len(pins(text)) > 0
    for block in blocks:
        assert "==" in block.split()[0], block
        assert HASH.search(block), block
    assert "://" not in text


@pytest.mark.parametrize("name", LOCKED)
def test_what_is_asked_for_is_what_is_locked(name: str) -> None:
    asked = pins((SOURCES / name / "requirements.in").read_text())
    assert asked
    assert asked.items() <= pins((SOURCES / name / "requirements.txt").read_text()).items()


def test_every_node_package_is_locked_with_a_hash_and_without_a_registry() -> None:
    lock = json.loads((SOURCES / "node" / "package-lock.json").read_text())
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert packages
    for name, package in packages.items():
        assert package["integrity"].startswith("sha512-"), name
        assert "resolved" not in package, name
    asked = json.loads((SOURCES / "node" / "package.json").read_text())["dependencies"]
    assert all(EXACT.fullmatch(version) for version in asked.values())
    assert lock["packages"][""]["dependencies"] == asked


def test_every_version_that_a_peer_tells_is_pinned() -> None:
    lock = (SOURCES / "node" / "package-lock.json").read_bytes()
    pinned = {"node"} | set(locked(lock))
    for name in LOCKED:
        pinned |= set(pins((SOURCES / name / "requirements.txt").read_text()))
    for peer in PEERS.values():
        assert set(getattr(peer, "made_of", ())) <= pinned, peer.name


def test_pins_are_read_with_their_markers_and_hashes() -> None:
    text = (
        "# made\nuvloop==0.2 ; sys_platform != 'win32' \\\n    --hash=sha256:ab\n    # via -r x\n"
    )
    assert pins(text) == {"uvloop": "0.2"}


def test_of_a_lock_only_what_stands_at_the_top_is_told() -> None:
    lock = {
        "packages": {
            "": {"name": "peers"},
            "node_modules/ws": {"version": "8.2.3"},
            "node_modules/engine.io/node_modules/ws": {"version": "8.1.0"},
        }
    }
    assert locked(json.dumps(lock).encode()) == {"ws": "8.2.3"}


def planted_wheel(folder: Path) -> str:
    """Make a wheel of a package called planted; return its hash as a requirement has it."""
    path = folder / "planted-1.0-py3-none-any.whl"
    info = "planted-1.0.dist-info"
    with ZipFile(path, "w") as wheel:
        wheel.writestr("planted.py", "")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: planted\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return f"--hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


@pytest.fixture
def requirements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let a home be installed in a folder of the test, from one wheel and no index."""
    sources = tmp_path / "sources"
    (sources / "python").mkdir(parents=True)
    monkeypatch.setattr(homes, "SOURCES", sources)
    monkeypatch.setattr(homes, "INSTALLED", tmp_path / "installed")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    return sources / "python" / "requirements.txt"


def test_a_home_is_installed_once_and_again_when_a_pin_changes(
    requirements: Path, tmp_path: Path
) -> None:
    requirements.write_text(f"planted==1.0 {planted_wheel(tmp_path)}\n")
    home = PythonHome("python", "python")
    home.install()
    assert home.program().exists()
    assert list(home.folder.glob("lib/*/site-packages/planted.py"))
    assert (home.folder.parent / ".gitignore").read_text() == "*\n"
    kept = home.folder / "kept"
    kept.touch()
    home.install()
    assert kept.exists()
    requirements.write_text("# nothing any more\n")
    home.install()
    assert not kept.exists()


@pytest.mark.parametrize(
    ("pin", "why"),
    [("", "Hashes are required"), (f"--hash=sha256:{'0' * 64}", "DO NOT MATCH THE HASHES")],
)
def test_what_has_no_hash_or_another_one_is_not_installed_and_that_is_told(
    requirements: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], pin: str, why: str
) -> None:
    planted_wheel(tmp_path)
    requirements.write_text(f"planted==1.0 {pin}\n")
    home = PythonHome("python", "python")
    with pytest.raises(MissingError, match=r"^pip install failed with status 1$"):
        home.install()
    assert not (home.folder / STAMP).exists()
    assert why in capsys.readouterr().out


@dataclass(frozen=True)
class Nowhere:
    """A home that nothing can be installed in."""

    folder: Path = Path("nowhere")

    def install(self) -> None:
        raise MissingError("pip install failed with status 1")

    def program(self) -> Path:
        raise AssertionError

    def versions(self) -> Mapping[str, str]:
        raise AssertionError


def test_without_node_and_without_its_wheel_the_reason_names_both(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingError, match="no node >= 20 on PATH, and of its wheel: pip install"):
        NodeHome(NodeRuntime(Nowhere())).install()
    with pytest.raises(MissingError, match="no npm on PATH, and of its wheel: pip install"):
        NodeRuntime(Nowhere()).npm()


def test_a_node_that_is_too_old_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, said in (("node", "v18.20.1"), ("npm", "10.0.0")):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\necho {said}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    runtime = NodeRuntime(Nowhere())
    with pytest.raises(MissingError):
        runtime.install()
    (tmp_path / "node").write_text("#!/bin/sh\necho v20.0.0\n")
    assert runtime.program() == tmp_path / "node"
    assert runtime.versions() == {"node": "20.0.0"}
    assert runtime.npm() == [str(tmp_path / "npm")]
