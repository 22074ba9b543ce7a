"""The PROXY protocol of HAProxy, versions 1 and 2, at the start of a connection. Pure.

https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt, sections 2.1 and 2.2. A proxy that is
set to speak it begins every connection with it, so one that begins otherwise is refused: it would
be taken for a client with the address of the proxy.
"""

import re
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address

from gateway.server.addresses import plain

V1_BYTES_MAX = 107
"""Section 2.1: the longest line is one about an unknown protocol, with its CRLF."""

V2_BYTES_MAX = 536
"""What fits the first segment of any connection: addresses, and 300 bytes of extensions."""

_V1_BEGIN = b"PROXY "
_V1_UNKNOWN = b"PROXY UNKNOWN"
_V1_PORT = r"(0|[1-9][0-9]{0,4})"
_V1_ADDRESS = r"([0-9a-fA-F:.]+)"
_V1_LINE = re.compile(rf"PROXY TCP([46]) {_V1_ADDRESS} {_V1_ADDRESS} {_V1_PORT} {_V1_PORT}")
_PORT_MAX = 65_535

_V2_BEGIN = b"\r\n\r\n\0\r\nQUIT\n"
_V2_HEAD_BYTES = 16
_LOCAL, _PROXY = 0x20, 0x21  # version 2, and what the proxy speaks for
_UNSPECIFIED = 0x00
_FAMILIES = {  # address family and transport -> bytes of both addresses and ports
    _UNSPECIFIED: 0,
    0x11: 12,
    0x12: 12,
    0x21: 36,
    0x22: 36,
    0x31: 216,
    0x32: 216,
}
_TCP4, _TCP6 = 0x11, 0x21

Preamble = tuple[str | None, int]


class BadPreambleError(Exception):
    """The connection begins with no PROXY preamble, or with one that contradicts itself."""


def read(data: bytes) -> Preamble | None:
    """Return the address of the client, and how many bytes of ``data`` said so.

    The address is ``None`` where the proxy speaks for itself (a health check: LOCAL) or for what
    has no address here (UNKNOWN, a UNIX socket, datagrams): then the peer is the client.

    Args:
        data: the first bytes of a connection; what follows the preamble may be among them.

    Returns:
        ``None`` when more bytes are needed: never once ``V2_BYTES_MAX`` are there.

    Raises:
        BadPreambleError: the connection is to be closed without an answer.
    """
    if data.startswith(_V2_BEGIN):
        return _read_v2(data)
    if data.startswith(_V1_BEGIN):
        return _read_v1(data)
    if any(begin.startswith(data) for begin in (_V1_BEGIN, _V2_BEGIN)):
        return None
    raise BadPreambleError("the connection does not begin with the PROXY protocol")


def _read_v1(data: bytes) -> Preamble | None:
    end = data.find(b"\r\n", 0, V1_BYTES_MAX)
    if end < 0:
        if len(data) >= V1_BYTES_MAX:
            raise BadPreambleError(f"the line does not end within {V1_BYTES_MAX} bytes")
        return None
    line = data[:end]
    if line == _V1_UNKNOWN or line.startswith(_V1_UNKNOWN + b" "):
        return None, end + 2
    return _client_v1(line.decode("latin-1")), end + 2


def _client_v1(line: str) -> str:
    found = _V1_LINE.fullmatch(line)
    if found is None:
        raise BadPreambleError("the line is not as section 2.1 has it")
    family, source, destination, *ports = found.groups()
    kind: Callable[[str], IPv4Address | IPv6Address]
    kind = IPv4Address if family == "4" else IPv6Address
    try:
        client, _ = kind(source), kind(destination)
    except ValueError as error:
        raise BadPreambleError(f"the addresses are not both of IPv{family}") from error
    if any(int(port) > _PORT_MAX for port in ports):
        raise BadPreambleError(f"a port is at most {_PORT_MAX}")
    return _plain(client)


def _read_v2(data: bytes) -> Preamble | None:
    if len(data) < _V2_HEAD_BYTES:
        return None
    command, family = data[12], data[13]
    length = int.from_bytes(data[14:_V2_HEAD_BYTES])
    used = _V2_HEAD_BYTES + length
    _check_v2(command, family, length)
    if len(data) < used:
        return None
    if command == _LOCAL:
        return None, used
    return _client_v2(family, data[_V2_HEAD_BYTES:used]), used


def _check_v2(command: int, family: int, length: int) -> None:
    if command not in {_LOCAL, _PROXY}:
        raise BadPreambleError(f"version and command {command:#04x} are none of version 2")
    if _V2_HEAD_BYTES + length > V2_BYTES_MAX:
        raise BadPreambleError(f"a preamble has at most {V2_BYTES_MAX} bytes")
    if command == _LOCAL:
        return  # section 2.2: the family is to be ignored, and what follows skipped
    if family not in _FAMILIES:
        raise BadPreambleError(f"address family and transport {family:#04x} are none")
    if length < _FAMILIES[family]:
        raise BadPreambleError("the addresses are longer than the preamble says it is")


def _client_v2(family: int, block: bytes) -> str | None:
    if family == _TCP4:
        return _plain(IPv4Address(block[:4]))
    if family == _TCP6:
        return _plain(IPv6Address(block[:16]))
    return None


def _plain(address: IPv4Address | IPv6Address) -> str:
    return plain(str(address)) or str(address)
