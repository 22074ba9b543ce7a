"""Whose request it is, behind proxies and without them."""

import pytest

from gateway.server.addresses import Proxies, plain

PROXIES = Proxies(("10.0.0.0/8", "192.0.2.10", "2001:db8:aa::/48", "::1"))


def client(peer: str, *forwarded: str) -> str:
    return PROXIES.client_of(peer, {"x-forwarded-for": ", ".join(forwarded)} if forwarded else {})


@pytest.mark.parametrize("address", ["10.0.0.1", "10.255.255.255", "192.0.2.10", "::1"])
def test_named_proxies_are_trusted(address: str) -> None:
    assert PROXIES.trusts(address)
    assert PROXIES.trusts(address)


@pytest.mark.parametrize("address", ["2001:db8:aa::1", "::ffff:10.1.2.3", "::ffff:c000:20a"])
def test_a_proxy_is_trusted_however_its_address_is_written(address: str) -> None:
    assert PROXIES.trusts(address)


@pytest.mark.parametrize(
    "address",
    ["11.0.0.1", "192.0.2.11", "2001:db8:ab::1", "::ffff:11.0.0.1", "", "10.0.0", "10.0.0.1 ", "x"],
)
def test_nobody_else_is_trusted(address: str) -> None:
    assert not PROXIES.trusts(address)


def test_without_proxies_nobody_is_trusted() -> None:
    alone = Proxies(())
    assert not alone.trusts("127.0.0.1")
    assert alone.client_of("127.0.0.1", {"x-forwarded-for": "198.51.100.1"}) == "127.0.0.1"


def test_a_proxy_that_is_no_address_is_refused() -> None:
    with pytest.raises(ValueError, match=r"proxy\.example"):
        Proxies(("proxy.example",))


def test_without_the_header_the_peer_is_the_client() -> None:
    assert client("198.51.100.1") == "198.51.100.1"
    assert client("10.0.0.1") == "10.0.0.1"
    assert client("10.0.0.1", "") == "10.0.0.1"


def test_the_header_of_somebody_else_is_ignored() -> None:
    assert client("198.51.100.1", "203.0.113.5") == "198.51.100.1"
    assert client("::ffff:198.51.100.1", "203.0.113.5") == "198.51.100.1"


@pytest.mark.parametrize(
    ("forwarded", "expected"),
    [
        (("203.0.113.5",), "203.0.113.5"),
        (("1.1.1.1", "203.0.113.5"), "203.0.113.5"),
        (("1.1.1.1", "203.0.113.5", "10.9.9.9"), "203.0.113.5"),
        (("1.1.1.1", "203.0.113.5", "10.9.9.9", "192.0.2.10"), "203.0.113.5"),
        (("10.1.1.1", "203.0.113.5"), "203.0.113.5"),
        (("garbage", "203.0.113.5"), "203.0.113.5"),
        (("10.9.9.9", "10.8.8.8"), "10.9.9.9"),
        (("2001:DB8:0:0::5",), "2001:db8::5"),
        (("::ffff:203.0.113.5",), "203.0.113.5"),
        (("203.0.113.5:4711",), "203.0.113.5"),
        (("[2001:db8::5]:4711",), "2001:db8::5"),
        (("[2001:db8::5]",), "2001:db8::5"),
        (("fe80::5%eth0",), "fe80::5"),
        (("\t203.0.113.5 ",), "203.0.113.5"),
        (("203.0.113.5", "::ffff:10.9.9.9"), "203.0.113.5"),
    ],
)
def test_the_client_is_the_nearest_that_is_no_proxy(
    forwarded: tuple[str, ...], expected: str
) -> None:
    assert client("10.0.0.1", *forwarded) == expected
    assert client("::ffff:10.0.0.1", *forwarded) == expected


@pytest.mark.parametrize(
    "hop",
    [
        *("garbage", "unknown", "_hidden", "for=203.0.113.5", "203.0.113", "203.0.113.5.6"),
        *("203.0.113.5:", "203.0.113.5:x", "203.0.113.5:4:4", "203.0.113.005", "203.0.113.5%eth0"),
        *("[2001:db8::5", "2001:db8::5]", "[2001:db8::5]x", "[2001:db8::5]:", "", " "),
        *("<script>", "203.0.113.5\x00", "\u0661.1.1.1", "1" * 100_000, "fe80::5%" + "a" * 100),
        "203.0.113.5:" + "\u0661",
    ],
)
def test_garbage_that_a_proxy_passes_on_names_the_proxy(hop: str) -> None:
    for forwarded in ((hop,), ("198.51.100.1", hop), (hop, "10.9.9.9")):
        assert client("10.0.0.1", "203.0.113.77", *forwarded) == "10.0.0.1"


def test_a_peer_without_an_address_is_itself() -> None:
    assert client("", "203.0.113.5") == ""
    assert client("a socket", "203.0.113.5") == "a socket"


def test_an_address_is_written_in_one_way() -> None:
    assert plain("2001:0DB8::0:1") == "2001:db8::1"
    assert plain("::ffff:192.0.2.1") == "192.0.2.1"
    assert plain("fe80::1%eth0") == "fe80::1"
    assert plain("192.0.2.1") == "192.0.2.1"
    assert plain("192.0.2.1:80") is None
