"""The seam to a server that the court measures: how it is had, and how it is started."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.machine import Cores
from bench.peers.homes import SOURCES, Home
from bench.peers.process import started


@dataclass(frozen=True)
class Serving:
    """A server that takes connections on this machine."""

    pid: int
    """The process whose time and memory are measured."""
    port: int
    key: str = ""
    """What a client shows; empty where nobody asks."""
    operator_key: str = ""
    """What shows the server's metrics."""


class Peer(Protocol):
    """A server that can be installed and started."""

    @property
    def name(self) -> str:
        """What reports call it."""

    @property
    def dialect(self) -> str:
        """What the generator speaks with it, unless a scenario says otherwise."""

    @property
    def durable(self) -> bool:
        """Whether it answers from the disk, so that its figures depend on it."""

    def install(self) -> Mapping[str, str]:
        """Make it ready to be started; return the versions of what it is made of.

        Raises:
            MissingError: it cannot be had here.
        """

    def serving(self, folder: Path, cores: Cores) -> AbstractContextManager[Serving]:
        """Serve with its data below ``folder``, on these cores, until the end of the block."""


def environment() -> dict[str, str]:
    """Return the variables that servers are started with: none of them is a setting of Parley."""
    found = {name: text for name, text in os.environ.items() if not name.startswith("PARLEY_")}
    return found | {"NODE_ENV": "production"}


@dataclass(frozen=True)
class Foreign:
    """A server of another house: a few lines of ours on a library, or a program as it comes."""

    name: str
    dialect: str
    home: Home
    arguments: tuple[str, ...]
    """Behind the program; ``{home}`` and ``{sources}`` are folders."""
    ready: str
    """What it says when it serves, with its port as the one group."""
    made_of: tuple[str, ...]
    """The packages whose versions are told."""
    durable: bool = False

    def install(self) -> Mapping[str, str]:
        """Install its home; see :class:`Peer`."""
        self.home.install()
        versions = self.home.versions()
        return {package: versions[package] for package in self.made_of}

    @contextmanager
    def serving(self, folder: Path, cores: Cores) -> Iterator[Serving]:
        """Start it; see :class:`Peer`."""
        home = str(self.home.folder)
        command = [str(self.home.program())]
        command += [text.format(home=home, sources=SOURCES) for text in self.arguments]
        ready = re.compile(self.ready)
        with started(command, folder, ready, environment=environment(), cores=cores) as process:
            yield Serving(process.pid, int(process.said[1]))
