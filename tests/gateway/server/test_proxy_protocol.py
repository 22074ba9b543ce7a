"""The PROXY protocol: whom a proxy speaks for, and what is no preamble at all."""

import ipaddress

import pytest

from gateway.server.proxy_protocol import V1_BYTES_MAX, V2_BYTES_MAX, BadPreambleError, read

SIGNATURE = b"\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a"
LOCAL, PROXY = 0x20, 0x21
TCP4, UDP4, TCP6, UNIX = 0x11, 0x12, 0x21, 0x31
IPV4 = bytes([192, 0, 2, 7, 198, 51, 100, 1]) + b"\x30\x39\x01\xbb"
REST = b"GET / HTTP/1.1\r\n"
TLVS = b"\x03\x00\x04\xa9\x87\x3e\x12" + b"\x01\x00\x02h2" + b"\xea\x00\x03abc"


def ipv6(source: str) -> bytes:
    both = (source, "2001:db8::2")
    return b"".join(ipaddress.IPv6Address(one).packed for one in both) + b"\x30\x39\x01\xbb"


def v2(
    block: bytes, *, command: int = PROXY, family: int = TCP4, length: int | None = None
) -> bytes:
    stated = len(block) if length is None else length
    return SIGNATURE + bytes([command, family]) + stated.to_bytes(2) + block


GOOD = {
    b"PROXY TCP4 192.0.2.7 198.51.100.1 12345 443\r\n": "192.0.2.7",
    b"PROXY TCP4 255.255.255.255 0.0.0.0 65535 0\r\n": "255.255.255.255",
    b"PROXY TCP6 2001:DB8::7 2001:db8::2 12345 443\r\n": "2001:db8::7",
    b"PROXY TCP6 ::ffff:192.0.2.7 2001:db8::2 12345 443\r\n": "192.0.2.7",
    b"PROXY UNKNOWN\r\n": None,
    b"PROXY UNKNOWN ffff::1 whatever 70000 it says\r\n": None,
    v2(IPV4): "192.0.2.7",
    v2(IPV4 + TLVS): "192.0.2.7",
    v2(ipv6("2001:db8::7"), family=TCP6): "2001:db8::7",
    v2(ipv6("::ffff:192.0.2.7") + TLVS, family=TCP6): "192.0.2.7",
    v2(b"", command=LOCAL, family=0): None,
    v2(IPV4 + TLVS, command=LOCAL): None,
    v2(b"\1\2\3", command=LOCAL, family=0x77): None,
    v2(b"", family=0): None,
    v2(TLVS, family=0): None,
    v2(IPV4, family=UDP4): None,
    v2(b"/run/a".ljust(108, b"\0") * 2, family=UNIX): None,
    v2(IPV4 + bytes(V2_BYTES_MAX - 28)): "192.0.2.7",
}


@pytest.mark.parametrize(("preamble", "client"), GOOD.items())
def test_a_preamble_names_the_client_and_its_own_end(preamble: bytes, client: str | None) -> None:
    assert read(preamble) == (client, len(preamble))
    assert read(preamble + REST) == (client, len(preamble))


@pytest.mark.parametrize("preamble", GOOD)
def test_a_preamble_may_come_byte_by_byte(preamble: bytes) -> None:
    assert [read(preamble[:end]) for end in range(len(preamble))] == [None] * len(preamble)


@pytest.mark.parametrize(
    "data",
    [
        REST,
        b"\x16\x03\x01\x02\x00",
        b"proxy TCP4 192.0.2.7 198.51.100.1 1 2\r\n",
        b"PROXY\r\n",
        b"PROXY  TCP4 192.0.2.7 198.51.100.1 1 2\r\n",
        b"PROXY TCP4\r\n",
        b"PROXY UNKNOWNS\r\n",
        b"PROXY UDP4 192.0.2.7 198.51.100.1 1 2\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 1 2 \r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 1\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 1 65536\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 01 2\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 -1 2\r\n",
        b"PROXY TCP4 192.0.2.7\n198.51.100.1 1 2\r\n",
        b"PROXY TCP4 192.0.2.007 198.51.100.1 1 2\r\n",
        b"PROXY TCP4 192.0.2.256 198.51.100.1 1 2\r\n",
        b"PROXY TCP4 2001:db8::7 198.51.100.1 1 2\r\n",
        b"PROXY TCP4 192.0.2.7 2001:db8::2 1 2\r\n",
        b"PROXY TCP6 192.0.2.7 2001:db8::2 1 2\r\n",
        b"PROXY TCP6 2001:db8::7 198.51.100.1 1 2\r\n",
        b"PROXY TCP6 fe80::1%eth0 2001:db8::2 1 2\r\n",
        "PROXY TCP4 192.0.2.\u0661 198.51.100.1 1 2\r\n".encode(),
        SIGNATURE[:-1] + b"\r\x21\x11\x00\x0c" + IPV4,
    ],
)
def test_what_is_no_preamble_is_refused(data: bytes) -> None:
    with pytest.raises(BadPreambleError):
        read(data)


@pytest.mark.parametrize(
    ("command", "family", "length"),
    [
        (0x11, TCP4, 12),  # version 1 in binary
        (0x31, TCP4, 12),  # version 3
        (0x22, TCP4, 12),  # a command that is none
        (PROXY, 0x13, 12),  # a transport that is none
        (PROXY, 0x41, 12),  # a family that is none
        (PROXY, TCP4, 11),  # too short for two addresses
        (PROXY, TCP6, 12),  # IPv6 as long as IPv4
        (PROXY, UNIX, 36),
        (PROXY, TCP4, V2_BYTES_MAX - 15),
        (PROXY, TCP4, 0xFFFF),
        (LOCAL, 0, 0xFFFF),
    ],
)
def test_a_head_of_version_2_is_refused_before_the_rest_has_come(
    command: int, family: int, length: int
) -> None:
    with pytest.raises(BadPreambleError):
        read(v2(b"", command=command, family=family, length=length))


def test_a_line_that_does_not_end_is_not_waited_for() -> None:
    line = b"PROXY UNKNOWN " + b"x" * V1_BYTES_MAX
    assert read(line[: V1_BYTES_MAX - 1]) is None
    assert read(line[: V1_BYTES_MAX - 2] + b"\r\n") == (None, V1_BYTES_MAX)
    for data in (line[:V1_BYTES_MAX], line[: V1_BYTES_MAX - 1] + b"\r\n", line * 10 + b"\r\n"):
        with pytest.raises(BadPreambleError, match="107"):
            read(data)


def test_every_beginning_is_decided_within_bounds() -> None:
    for begin in (b"PROXY ", SIGNATURE + b"\x21\x11", SIGNATURE + b"\x20\x00"):
        for filling in range(256):
            data = begin + bytes([filling]) * V2_BYTES_MAX
            try:
                found = read(data)
            except BadPreambleError:
                continue
            assert found is not None
            assert found[1] <= V2_BYTES_MAX
