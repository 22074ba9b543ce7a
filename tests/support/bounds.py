"""Bounds of the servers that a test cannot wait for."""

import sys
from types import ModuleType

import pytest

from gateway import limits


def shorten(monkeypatch: pytest.MonkeyPatch, **seconds: float) -> None:
    """Let bounds of ``gateway.limits`` be other ones, wherever they hold, until the test is over.

    Modules take them by name, so that each has its own; one that nobody has is a mistake.
    """
    for name, value in seconds.items():
        holders = [module for module in _of_the_gateway() if hasattr(module, name)]
        assert hasattr(limits, name), name
        assert len(holders) > 1, name
        for module in holders:
            monkeypatch.setattr(module, name, value)


def _of_the_gateway() -> list[ModuleType]:
    return [module for name, module in sys.modules.items() if name.startswith("gateway.")]
