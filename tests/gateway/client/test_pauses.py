"""Where the client connects to, and how long it waits."""

import pytest

from gateway.client.pauses import Pauses, realtime_url
from gateway.limits import RECONNECT_SECONDS_MAX, RECONNECT_SECONDS_MIN


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://127.0.0.1:8080", "ws://127.0.0.1:8080/v1/realtime"),
        ("https://parley.example.com/", "wss://parley.example.com/v1/realtime"),
        ("https://example.com/parley", "wss://example.com/parley/v1/realtime"),
        ("wss://example.com/v1/realtime", "wss://example.com/v1/realtime"),
        ("http://[::1]:8080", "ws://[::1]:8080/v1/realtime"),
    ],
)
def test_a_servers_url_leads_to_its_websocket(url: str, address: str) -> None:
    assert realtime_url(url) == address


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:8080",
        "ftp://example.com",
        "http://",
        "http://sk_test_x@example.com",
        "http://example.com?token=x",
        "http://example.com#x",
    ],
)
def test_what_is_no_servers_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="a server's URL"):
        realtime_url(url)


def test_pauses_grow_to_a_bound_and_begin_anew_after_a_good_connection() -> None:
    pauses = Pauses()
    first = [pauses.next_s() for _ in range(40)]
    assert RECONNECT_SECONDS_MIN / 2 <= first[0] <= RECONNECT_SECONDS_MIN
    assert first[3] > first[0]
    assert all(one <= RECONNECT_SECONDS_MAX for one in first)
    assert all(one >= RECONNECT_SECONDS_MAX / 2 for one in first[10:])
    pauses.over()
    assert pauses.next_s() <= RECONNECT_SECONDS_MIN


def test_pauses_are_not_the_same_for_everybody() -> None:
    assert len({Pauses().next_s() for _ in range(20)}) > 10


def test_a_pause_the_server_asks_for_is_kept_and_not_shortened() -> None:
    asked = [Pauses().next_s(asked_for_s=2.0) for _ in range(50)]
    assert min(asked) >= 2.0
    assert max(asked) <= 3.0
