"""A body in chunks is what RFC 9112 says."""

import h11

from gateway.framing.chunked import LAST_CHUNK, chunk


def test_a_chunk_says_its_length_in_hexadecimal() -> None:
    assert chunk(b"x" * 26) == b"1a\r\n" + b"x" * 26 + b"\r\n"


def test_chunks_are_read_by_another_reader_up_to_the_last() -> None:
    reader = h11.Connection(h11.CLIENT)
    reader.send(h11.Request(method="GET", target="/", headers=[("Host", "parley")]))
    reader.send(h11.EndOfMessage())
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    reader.receive_data(head + chunk(b"a") + chunk(b"b" * 1_000) + LAST_CHUNK)
    assert isinstance(reader.next_event(), h11.Response)
    read = b""
    while isinstance(event := reader.next_event(), h11.Data):
        read += event.data
    assert read == b"a" + b"b" * 1_000
    assert isinstance(event, h11.EndOfMessage)
