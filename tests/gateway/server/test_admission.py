"""Who gets in: caps on connections, and what is kept about whom."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.server.addresses import Proxies
from gateway.server.admission import Admission, Refusal

ADDRESSES = ("192.0.2.1", "192.0.2.2", "10.0.0.1", "2001:db8::1", "2001:db8::2", "a socket")
PROXIES = Proxies(("10.0.0.1",))


def caps(total: int = 100, per_address: int = 100) -> Admission:
    return Admission(total=total, per_address=per_address, shared=PROXIES.trusts)


def kept(admission: Admission) -> int:
    """Return how many addresses are remembered."""
    return len(admission._addresses)  # noqa: SLF001 - the size is the point


def test_there_are_at_most_so_many_in_all() -> None:
    door = caps(total=2)
    assert door.admit("192.0.2.1") is None
    assert door.admit("10.0.0.1") is None
    assert door.admit("192.0.2.2") is Refusal.FULL
    assert door.open == 2
    door.leave("192.0.2.1")
    assert door.admit("192.0.2.2") is None


def test_one_address_takes_no_more_than_its_share() -> None:
    door = caps(per_address=2)
    assert [door.admit("192.0.2.1") for _ in range(3)] == [None, None, Refusal.ADDRESS]
    assert door.admit("192.0.2.2") is None
    assert door.open == 3
    door.leave("192.0.2.1")
    assert door.admit("192.0.2.1") is None


def test_a_refused_connection_is_not_counted() -> None:
    door = caps(total=3, per_address=1)
    for _ in range(10):
        door.admit("192.0.2.1")
    assert door.open == 1
    assert door.admit("192.0.2.2") is None
    assert door.admit("192.0.2.3") is None


def test_a_network_of_ipv6_is_one_address() -> None:
    door = caps(per_address=2)
    assert door.admit("2001:db8:0:1::1") is None
    assert door.admit("2001:db8:0:1:ffff::2%eth0") is None
    assert door.admit("2001:db8:0:1::3") is Refusal.ADDRESS
    assert door.admit("2001:db8:0:2::1") is None
    door.leave("2001:db8:0:1::77")
    assert door.admit("2001:db8:0:1::3") is None


def test_ipv4_within_ipv6_is_ipv4() -> None:
    door = caps(per_address=1)
    assert door.admit("::ffff:192.0.2.1") is None
    assert door.admit("192.0.2.1") is Refusal.ADDRESS
    assert door.admit("::ffff:192.0.2.2") is None


def test_a_proxy_stands_for_many() -> None:
    door = caps(total=5, per_address=1)
    assert [door.admit("10.0.0.1") for _ in range(6)] == [None] * 5 + [Refusal.FULL]
    for _ in range(5):
        door.leave("10.0.0.1")
    assert (door.open, kept(door)) == (0, 0)


def test_who_comes_by_a_proxy_is_counted_when_it_is_known() -> None:
    door = caps(per_address=1)
    for expected in (None, Refusal.ADDRESS):
        assert door.admit("10.0.0.1") is None
        assert door.recount("10.0.0.1", "192.0.2.1") is expected
    assert door.open == 2
    door.leave("10.0.0.1")
    door.leave("192.0.2.1")
    assert (door.open, kept(door)) == (0, 0)


def test_a_recounted_connection_leaves_the_place_of_before() -> None:
    door = caps(per_address=1)
    assert door.admit("192.0.2.1") is None
    assert door.recount("192.0.2.1", "192.0.2.2") is None
    assert door.admit("192.0.2.1") is None
    assert door.recount("192.0.2.1", "10.0.0.1") is None
    assert door.admit("192.0.2.1") is None
    for address in ("192.0.2.1", "192.0.2.2", "10.0.0.1"):
        door.leave(address)
    assert (door.open, kept(door)) == (0, 0)


def test_zero_is_without_a_bound() -> None:
    door = caps(total=2_000, per_address=0)
    assert {door.admit("192.0.2.1") for _ in range(2_000)} == {None}


@given(st.lists(st.tuples(st.sampled_from(ADDRESSES), st.booleans()), max_size=60))
def test_nothing_is_kept_of_who_has_left(steps: list[tuple[str, bool]]) -> None:
    door = caps(total=8, per_address=3)
    inside: list[str] = []
    for address, comes in steps:
        if comes:
            if door.admit(address) is None:
                inside.append(address)
        elif inside:
            door.leave(inside.pop())
        assert door.open == len(inside)
        assert kept(door) <= len(inside)
    for address in inside:
        door.leave(address)
    assert (door.open, kept(door)) == (0, 0)
