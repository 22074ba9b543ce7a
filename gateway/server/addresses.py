"""Who a connection stands for: its peer, or whom a trusted proxy names. Pure."""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

ADDRESSES_REMEMBERED = 4_096
"""Addresses that need not be read again: peers come back, and a look costs some microseconds."""

ADDRESS_CHARACTERS_MAX = 64
"""An IPv6 address has at most 45 characters, with brackets, port and zone a few more."""

FORWARDED_FOR = "x-forwarded-for"


class Proxies:
    """The proxies in front of this node, whose word about a client is taken."""

    def __init__(self, trusted: Iterable[str]) -> None:
        """Trust the addresses and networks in ``trusted``, IPv4 and IPv6.

        Raises:
            ValueError: one of them is neither.
        """
        self._networks = tuple(ip_network(one) for one in trusted)
        self._looked_up = lru_cache(maxsize=ADDRESSES_REMEMBERED)(self._look)

    def trusts(self, address: str) -> bool:
        """Say whether ``address`` is one of the proxies; garbage is none. Remembered, so quick."""
        return bool(self._networks) and self._looked_up(address[:ADDRESS_CHARACTERS_MAX])

    def client_of(self, peer: str, headers: dict[str, str]) -> str:
        """Return the address of the client that a request comes from.

        It is the peer, unless that is trusted: then the right-most address of X-Forwarded-For that
        is not, since everything to the left of it was said by that very client. A list of trusted
        ones alone names the first; garbage in the part that is believed names the peer.

        Args:
            peer: the other end of the connection, or whom a PROXY preamble names.
            headers: by name in lower case; repeated ones joined with commas.
        """
        nearest = plain(peer) or peer
        told = headers.get(FORWARDED_FOR)
        if not told or not self.trusts(nearest):
            return nearest
        found = nearest
        for hop in reversed(told.split(",")):
            address = plain(_without_port(hop.strip()))
            if address is None:
                return nearest
            if not self.trusts(address):
                return address
            found = address
        return found

    def _look(self, address: str) -> bool:
        known = _parsed(address)
        return known is not None and any(known in network for network in self._networks)


def plain(text: str) -> str | None:
    """Return an address in the one way it is written here; ``None`` if it is none.

    IPv4 within IPv6 (``::ffff:192.0.2.1``) is IPv4, and a zone (``%eth0``) is left out.
    """
    return _plain(text) if len(text) <= ADDRESS_CHARACTERS_MAX else None


@lru_cache(maxsize=ADDRESSES_REMEMBERED)
def _plain(text: str) -> str | None:
    found = _parsed(text)
    return None if found is None else str(found)


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(text.partition("%")[0] if ":" in text else text)
    except ValueError:
        return None
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped
    return found


def _without_port(hop: str) -> str:
    """Return ``hop`` without a port: ``192.0.2.1:80``, ``[2001:db8::1]:80``, ``[2001:db8::1]``."""
    if hop.startswith("["):
        address, closed, port = hop[1:].partition("]")
        return address if closed and (not port or _is_port(port)) else hop
    address, colon, port = hop.partition(":")
    return address if "." in address and _is_port(colon + port) else hop


def _is_port(text: str) -> bool:
    return text.startswith(":") and text[1:].isascii() and text[1:].isdecimal()
