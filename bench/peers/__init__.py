"""The servers that can be measured; one module a server."""

from bench.peers import parley
from bench.peers.target import Target

TARGETS: dict[str, Target] = {parley.NAME: parley.Parley()}
