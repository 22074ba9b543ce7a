"""The lean clients read what servers send, in whatever pieces it comes."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


@contextmanager
def answering(answer: bytes) -> Iterator[tuple[str, int]]:
    """Serve one connection: it gets this answer to what it first sends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE_SECONDS)

        def serve() -> None:
            connection, _ = listener.accept()
            connection.settimeout(PATIENCE_SECONDS)
            with connection:
                connection.recv(65536)
                connection.sendall(answer)
                connection.recv(65536)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()
        thread.join(2 * PATIENCE_SECONDS)
        assert not thread.is_alive()


def test_a_server_that_does_not_speak_websocket_is_refused() -> None:
    with answering(b"HTTP/1.1 200 OK\r\n\r\n") as address:
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
