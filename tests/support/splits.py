"""The ways in which the same bytes may arrive."""

from collections.abc import Iterator
from itertools import pairwise

OFFSETS_MAX = 300


def ways(data: bytes) -> Iterator[list[bytes]]:
    """Yield ``data`` whole, byte by byte, and cut in two: at every offset, or at many of a lot."""
    yield [data]
    yield [data[at : at + 1] for at in range(len(data))]
    for at in range(1, len(data), len(data) // OFFSETS_MAX + 1):
        yield [data[:at], data[at:]]


def cut(data: bytes, offsets: list[int]) -> list[bytes]:
    """Return ``data`` cut at ``offsets``, in any order, as far as they lie in it."""
    bounds = [0, *sorted(at for at in offsets if at < len(data)), len(data)]
    return [data[begin:end] for begin, end in pairwise(bounds)]
