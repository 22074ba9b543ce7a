"""The servers that are measured: Parley, and others beside it."""

from bench.peers.parley import NAME, Parley
from bench.peers.target import Target

TARGETS: dict[str, Target] = {NAME: Parley()}
"""Those that the scenarios in Python know how to talk to; ``table`` has those of the court."""
