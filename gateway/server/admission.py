"""How many connections there may be: in all, and of one address. Pure.

Nobody waits here: what is too much is refused at once, so that one client can neither use up the
open files of the process nor hold the places of the others.
"""

from collections.abc import Callable
from enum import StrEnum
from ipaddress import IPv6Address

IPV6_BITS_OF_A_HOST = 64
"""A household or a host has a /64 of its own, and every address in it (RFC 6177, section 2)."""


class Refusal(StrEnum):
    """Why a connection is not taken."""

    FULL = "full"
    """There are as many connections as there may be."""
    ADDRESS = "address"
    """This address has as many as one address may have."""


class Admission:
    """Counts what is open. It keeps nothing about whom nothing of is open."""

    def __init__(
        self,
        *,
        total: int,
        per_address: int,
        shared: Callable[[str], bool] | None = None,
    ) -> None:
        """Bound what is open at once.

        Args:
            total: connections of all.
            per_address: connections of one address; 0 is without a bound.
            shared: says of an address that it stands for many clients (a trusted proxy): its
                connections count in ``total`` alone. Must say the same when they leave.
        """
        self._total = total
        self._per_address = per_address
        self._shared = shared or _nobody
        self._open = 0
        self._addresses: dict[str | int, int] = {}

    @property
    def open(self) -> int:
        """Connections at present."""
        return self._open

    def admit(self, address: str) -> Refusal | None:
        """Count a connection from ``address``, or say why it is not to be taken.

        Who is admitted calls ``leave`` with the same address, once; who is refused does not.
        """
        if self._open >= self._total:
            return Refusal.FULL
        if not self._shared(address) and not _enter(
            self._addresses, _counted(address), self._per_address
        ):
            return Refusal.ADDRESS
        self._open += 1
        return None

    def leave(self, address: str) -> None:
        """Count off a connection that was admitted.

        Raises:
            KeyError: none of this address was.
        """
        if not self._shared(address):
            _leave(self._addresses, _counted(address))
        self._open -= 1

    def recount(self, address: str, client: str) -> Refusal | None:
        """Count a connection that was admitted as ``address`` as one of ``client`` from now on.

        For connections of a proxy that has said by a PROXY preamble for whom they are. ``client``
        is whom to ``leave`` with then; after a refusal, that is still ``address``.
        """
        counts = not self._shared(client)
        if counts and not _enter(self._addresses, _counted(client), self._per_address):
            return Refusal.ADDRESS
        if not self._shared(address):
            _leave(self._addresses, _counted(address))
        return None


def _nobody(address: str) -> bool:  # noqa: ARG001 - asked like ``Proxies.trusts``
    return False


def _enter(counts: dict[str | int, int], key: str | int, most: int) -> bool:
    count = counts.get(key, 0)
    if most and count >= most:
        return False
    counts[key] = count + 1
    return True


def _leave(counts: dict[str | int, int], key: str | int) -> None:
    if counts[key] == 1:
        del counts[key]
    else:
        counts[key] -= 1


def _counted(address: str) -> str | int:
    """Return what an address counts as: itself, or the network of an IPv6 address."""
    if ":" not in address:
        return address
    try:
        known = IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    if known.ipv4_mapped is not None:
        return str(known.ipv4_mapped)
    return int(known) >> IPV6_BITS_OF_A_HOST
