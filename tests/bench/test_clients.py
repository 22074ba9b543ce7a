"""The lean clients read what servers send, in whatever pieces it comes."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.load.keepalive import KeepAlive, ResponseError, response
from bench.load.poller import Poller
from bench.load.websocket import CLOSE, TEXT, HandshakeError, ProtocolError, WebSocket, unframed
from bench.load.websocket import frame as client_frame

PATIENCE_SECONDS = 5.0


def server_frame(payload: bytes, opcode: int = TEXT) -> bytes:
    """Return a frame as a server sends it: not masked."""
    head = client_frame(opcode, payload)[: -len(payload) - 4 or None]
    size = head[1] & 0x7F
    return bytes((head[0], size)) + head[2:] + payload


@pytest.mark.parametrize("size", [1, 125, 126, 65535, 65536])
def test_a_frame_of_any_size_is_read_back(size: int) -> None:
    payload = b"x" * size
    assert unframed(server_frame(payload)) == ([(TEXT, payload)], b"")


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=5), st.integers(1, 50))
def test_frames_are_read_however_they_are_cut(payloads: list[bytes], size: int) -> None:
    data = b"".join(map(server_frame, payloads))
    found: list[tuple[int, bytes]] = []
    rest = b""
    for at in range(0, len(data), size):
        more, rest = unframed(rest + data[at : at + size])
        found += more
    assert found == [(TEXT, payload) for payload in payloads]
    assert rest == b""


def test_what_a_server_must_not_send_is_refused() -> None:
    with pytest.raises(ProtocolError, match="masked"):
        unframed(client_frame(TEXT, b"hello"))
    with pytest.raises(ProtocolError, match="fragments"):
        unframed(bytes((TEXT, 5)) + b"hello")


def test_a_response_is_read_when_all_of_it_is_there() -> None:
    whole = b"HTTP/1.1 201 \r\nContent-Length: 2\r\n\r\n{}"
    assert response(whole[:-1]) is None
    assert response(whole[:10]) is None
    assert response(whole + b"HTTP") == (201, True, b"{}", b"HTTP")


def test_a_response_says_when_the_connection_ends() -> None:
    closing = b"HTTP/1.1 200 OK\r\nconnection: Close\r\ncontent-length: 0\r\n\r\n"
    assert response(closing) == (200, False, b"", b"")


def test_a_response_without_its_length_is_refused() -> None:
    with pytest.raises(ResponseError):
        response(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")


@contextmanager
def answering(*answers: bytes, then_close: bool) -> Iterator[tuple[str, int]]:
    """Serve one connection after another; each gets the next answer to what it first sends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE_SECONDS)

        def serve() -> None:
            for answer in answers:
                connection, _ = listener.accept()
                connection.settimeout(PATIENCE_SECONDS)
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer)
                    if not then_close:
                        connection.recv(65536)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()
        thread.join(2 * PATIENCE_SECONDS)
        assert not thread.is_alive()


def test_a_connection_that_the_server_ends_is_opened_again() -> None:
    closing = b"HTTP/1.1 201 \r\nConnection: close\r\nContent-Length: 1\r\n\r\n"
    heard: list[tuple[int, bytes]] = []
    with answering(closing + b"1", closing + b"2", then_close=True) as address:
        poller = Poller()
        client = KeepAlive(
            poller,
            address,
            on_answer=lambda status, body: heard.append((status, body)),
            on_closed=pytest.fail,
        )
        client.send(b"POST one")
        client.send(b"POST two")
        poller.run_until(time.perf_counter() + PATIENCE_SECONDS, enough=lambda: len(heard) == 2)
        client.close()
        poller.close()
    assert heard == [(201, b"1"), (201, b"2")]
    assert client.connects == 3


def test_a_server_that_leaves_without_an_answer_is_noticed() -> None:
    left: list[str] = []
    with answering(b"HTTP/1.1 2", then_close=True) as address:
        poller = Poller()
        client = KeepAlive(
            poller, address, on_answer=lambda *_: pytest.fail("no answer"), on_closed=left.append
        )
        client.send(b"POST")
        poller.run_until(time.perf_counter() + PATIENCE_SECONDS, enough=lambda: bool(left))
        client.close()
        poller.close()
    assert left == ["the server left without an answer"]


def test_a_server_that_does_not_speak_websocket_is_refused() -> None:
    with answering(b"HTTP/1.1 200 OK\r\n\r\n", then_close=False) as address:
        poller = Poller()
        with pytest.raises(HandshakeError, match="200"):
            WebSocket(
                poller,
                address,
                lambda key: key.encode(),
                on_payload=lambda _: None,
                on_closed=lambda _: None,
            )
        poller.close()


def test_a_close_frame_is_no_text() -> None:
    data = server_frame(b"hello") + server_frame(b"\x03\xe8bye", CLOSE)
    assert [opcode for opcode, _ in unframed(data)[0]] == [TEXT, CLOSE]
