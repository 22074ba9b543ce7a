"""The readers against others of their kind, on what nobody thought of.

h11 and llhttp read the same requests, wsproto the same frames. However the bytes are cut, the same
is read; and whatever is changed in them, the others take what ours take, and read the same in it.
A failure prints how to see it again.
"""

import re

import h11
from httptools import HttpParserError, HttpRequestParser
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, Pong, TextMessage

from gateway.framing.websocket import BINARY, CLOSE, PING, PONG, TEXT, frame
from gateway.limits import HEAD_BYTES_MAX
from gateway.server.http1 import Incoming, RefusedRequestError, RequestReader
from gateway.server.websocket import MessageReader, ViolationError, parse_close
from tests.gateway.server.masking import said
from tests.support.splits import cut

fuzzed = settings(
    max_examples=200, deadline=None, print_blob=True, suppress_health_check=list(HealthCheck)
)

Request = tuple[str, str, dict[str, str], bytes]
Messages = list[tuple[int, bytes]]

offsets = st.lists(st.integers(0, 700), max_size=8)


@st.composite
def changed(draw: st.DrawFn, originals: st.SearchStrategy[bytes], pieces: list[bytes]) -> bytes:
    """Return one of ``originals`` with something put in, taken out or written over."""
    data = bytearray(draw(originals))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        taken = draw(st.sampled_from([0, 0, 1, 1, 2, 20]))
        data[at : at + taken] = draw(st.sampled_from(pieces) | st.binary(max_size=3))
    return bytes(data)


def read_requests(parts: list[bytes]) -> tuple[list[Incoming], list[str]]:
    """Return what was told; check that nothing comes behind a refusal, and nothing from nowhere."""
    told: list[Incoming] = []
    refused: list[RefusedRequestError] = []

    def tell(incoming: Incoming) -> None:
        assert not refused
        told.append(incoming)

    reader = RequestReader(on_request=tell, on_refused=refused.append)
    for part in parts:
        reader.feed(part)
    assert len(refused) <= 1
    assert sum(len(one.body) for one in told) <= sum(map(len, parts))
    return told, [error.code for error in refused]


def complete(told: list[Incoming]) -> list[Request]:
    return [
        (one.method, one.raw_path + (one.query and f"?{one.query}"), one.headers, bytes(one.body))
        for one in told
        if one.complete
    ]


def request_of(
    method: bytes, target: bytes, fields: list[tuple[bytes, bytes]], body: bytes
) -> Request:
    """Return what another reader has found, in the form of ours."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in fields:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1").strip(" \t")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    path = re.sub(
        "^(?i:https?)://[^/?]*(?=([/?]?))",
        lambda at: "" if at[1] == "/" else "/",
        target.decode("latin-1"),
    )
    return method.decode(), path.removesuffix("?") if path.count("?") == 1 else path, headers, body


def of_h11(data: bytes) -> list[Request]:
    """Return the requests that h11 reads, up to its first error.

    It knows nothing of the empty line that may stand before a request, so it gets none.
    """
    found: list[Request] = []
    goes_on = True
    while goes_on:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES_MAX)
        connection.receive_data(data.removeprefix(b"\r\n"))
        request = next_of_h11(connection)
        if request is None:
            return found
        found.append(request)
        goes_on = connection.their_state is h11.DONE
        data = connection.trailing_data[0]
    return found


def next_of_h11(connection: h11.Connection) -> Request | None:
    head, body = None, b""
    try:
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                return request_of(head.method, head.target, list(head.headers), body)
            else:
                return None
    except h11.RemoteProtocolError:
        return None


class OfLlhttp:
    """The requests that llhttp reads when it is given everything, up to its first error."""

    def __init__(self, data: bytes) -> None:
        self.found: list[Request] = []
        self._parser = HttpRequestParser(self)
        try:
            self._parser.feed_data(data)
        except HttpParserError:
            return

    def on_message_begin(self) -> None:
        self._target = self._body = b""
        self._fields: list[tuple[bytes, bytes]] = []
        self._amid_head = True

    def on_url(self, target: bytes) -> None:
        self._target = target

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._amid_head:
            self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        self._amid_head = False

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        method = self._parser.get_method()
        self.found.append(request_of(method, self._target, self._fields, self._body))


def visible(without: str = "") -> st.SearchStrategy[str]:
    return st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters=without)


names = st.text("abcXYZ019!#$%&'*+.^_`|~-", min_size=1, max_size=8).map("X-".__add__)
values = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF), max_size=12).map(
    lambda value: re.sub("[\x7f-\x9f]", "", value).strip(" \t")
)
targets = st.just("*") | st.text(visible("#"), max_size=20).map("/".__add__)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    target = draw(targets)
    method = "OPTIONS" if target == "*" else draw(st.sampled_from(["GET", "POST", "DELETE"]))
    fields = [("Host", "a.example"), *draw(st.lists(st.tuples(names, values), max_size=5))]
    body = draw(st.binary(max_size=40) | st.sampled_from([b"\r\n\r\n", b"0\r\n\r\n", b"GET / "]))
    framing = draw(st.sampled_from(["none", "length", "chunked"]))
    if framing == "length":
        fields.append(("content-length", str(len(body))))
        written = body
    elif framing == "chunked":
        fields.insert(0, ("Transfer-encoding", "chunked"))
        written = draw(chunks(body))
    else:
        written = b""
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields)]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1") + written


@st.composite
def chunks(draw: st.DrawFn, body: bytes) -> bytes:
    written = b""
    for part in cut(body, draw(st.lists(st.integers(0, 40), max_size=3))):
        if part:
            written += b"%x%s\r\n%s\r\n" % (len(part), draw(extensions), part)
    return written + b"0%s\r\n%s\r\n" % (draw(extensions), draw(trailers))


extensions = st.sampled_from([b"", b";a", b";a=b", b';a="b c"'])
trailers = st.sampled_from([b"", b"X-T: 1\r\n", b"A:\r\nB: c\r\n"])
conversations = st.lists(requests(), min_size=1, max_size=3).map(b"".join)
pieces_of_requests = [
    *(b"\r", b"\n", b"\r\n", b"\r\n\r\n", b" ", b"\t", b":", b"\0", b",", b";", b"0", b"\xff"),
    *(b"chunked", b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: b\r\n"),
    *(b"HTTP/1.0", b"Connection: close\r\n"),
    *(b"http://a.example", b"Expect: 100-continue\r\n", b"GET ", b"\r\n ", b"5\r\n"),
]


@fuzzed
@given(conversations, offsets)
def test_requests_are_read_like_h11_and_llhttp_read_them(data: bytes, at: list[int]) -> None:
    told, refused = read_requests(cut(data, at))
    assert refused == []
    assert complete(told) == of_h11(data) == OfLlhttp(data).found
    assert all(one.complete for one in told)


@fuzzed
@given(changed(conversations, pieces_of_requests), offsets)
def test_what_is_read_in_changed_bytes_h11_and_llhttp_read_too(data: bytes, at: list[int]) -> None:
    whole = read_requests([data])
    assert read_requests(cut(data, at)) == whole
    assert read_requests([data[at : at + 1] for at in range(len(data))]) == whole
    ours = complete(whole[0])
    assert OfLlhttp(data).found[: len(ours)] == ours
    assert of_h11(data)[: len(ours)] == ours


def read_messages(parts: list[bytes], most: int = 2_000) -> tuple[Messages, int | None]:
    """Return the messages and the code of the violation; check that little is kept."""
    reader = MessageReader(message_bytes_max=most, fragments_max=20)
    messages: Messages = []
    for part in parts:
        try:
            messages += reader.feed(part)
        except ViolationError as violation:
            return messages + reader.before, violation.code
        assert reader.buffered <= most + 125
    return messages, None


class OfWsproto:
    """What wsproto reads: the messages, and the code with which it closes."""

    def __init__(self, data: bytes, side: ConnectionType = ConnectionType.SERVER) -> None:
        self.messages: Messages = []
        self.code: int | None = None
        self._text, self._bytes = "", b""
        connection = Connection(side)
        connection.receive_data(data)
        for event in connection.events():
            self._take(event)

    def _take(self, event: Event) -> None:
        if isinstance(event, TextMessage):
            self._text += event.data
            if event.message_finished:
                self.messages.append((TEXT, self._text.encode()))
                self._text = ""
        elif isinstance(event, BytesMessage):
            self._bytes += event.data
            if event.message_finished:
                self.messages.append((BINARY, self._bytes))
                self._bytes = b""
        elif isinstance(event, Ping):
            self.messages.append((PING, bytes(event.payload)))
        elif isinstance(event, Pong):
            self.messages.append((PONG, bytes(event.payload)))
        elif isinstance(event, CloseConnection):
            self.code = event.code


keys = st.binary(min_size=4, max_size=4)
codes = st.sampled_from([1000, 1001, 1011, 3000, 4999])


@st.composite
def messages_said(draw: st.DrawFn) -> bytes:
    """Return the frames of one message, with pings between them."""
    opcode = draw(st.sampled_from([TEXT, BINARY, PING, PONG]))
    if opcode in {PING, PONG}:
        return said(opcode, draw(st.binary(max_size=125)), key=draw(keys))
    text = draw(st.text(max_size=60)).encode() * draw(st.sampled_from([1, 1, 10]))
    payload = text if opcode == TEXT else draw(st.binary(max_size=300))
    parts = cut(payload, draw(st.lists(st.integers(0, 300), max_size=4)))
    between = draw(st.sampled_from([b"", said(PING, b"p")]))
    frames = [
        said(0 if at else opcode, part, final=at == len(parts) - 1, key=draw(keys))
        for at, part in enumerate(parts)
    ]
    return between.join(frames)


@st.composite
def closes(draw: st.DrawFn) -> bytes:
    reason = draw(st.text(max_size=30)).encode()
    return said(CLOSE, draw(st.sampled_from([b"", draw(codes).to_bytes(2, "big") + reason])))


dialogues = st.lists(messages_said(), max_size=5).map(b"".join)
pieces_of_frames = [
    *(b"\x81", b"\x01", b"\x00", b"\x80", b"\x82", b"\x88", b"\x89", b"\xc1", b"\x83", b"\x7f"),
    *(b"\xfe\x00\x05", b"\xff" + bytes(7) + b"\x05", b"\xff\x80", b"\xff" * 4, said(CLOSE)),
    *(said(TEXT, b"x", final=False), said(0, b"y"), said(0, b"", final=False), said(TEXT, b"\xff")),
]


@fuzzed
@given(dialogues, st.just(b"") | closes(), offsets)
def test_messages_are_read_like_wsproto_reads_them(
    data: bytes, close: bytes, at: list[int]
) -> None:
    messages, code = read_messages(cut(data + close, at), most=100_000)
    assert code is None
    other = OfWsproto(data + close)
    if close:
        opcode, payload = messages.pop()
        assert opcode == CLOSE
        assert parse_close(payload)[0] == other.code
    assert messages == other.messages


@fuzzed
@given(changed(dialogues, pieces_of_frames), offsets)
def test_what_is_read_in_changed_frames_wsproto_reads_too(data: bytes, at: list[int]) -> None:
    whole = read_messages([data])
    assert read_messages(cut(data, at)) == whole
    assert read_messages([data[at : at + 1] for at in range(len(data))]) == whole
    ours = [one for one in whole[0] if one[0] != CLOSE]
    other = OfWsproto(data)
    if other.code == 1007:  # it looks at each fragment of a text at once, we at the whole text
        ours = ours[: len(other.messages)]
    assert other.messages[: len(ours)] == ours


@fuzzed
@given(st.binary(max_size=200), offsets)
def test_noise_is_refused_and_never_raises_anything_else(data: bytes, at: list[int]) -> None:
    assert read_messages(cut(data, at)) == read_messages([data])
    assert read_requests(cut(data, at)) == read_requests([data])


@fuzzed
@given(
    st.sampled_from([0, 125, 126, 65_535, 65_536]),
    st.integers(-2, 2),
    st.sampled_from([TEXT, BINARY]),
    keys,
)
def test_frames_of_every_length_go_round(around: int, off: int, opcode: int, key: bytes) -> None:
    payload = b"0123456789" * 7_000
    payload = payload[: max(0, around + off)]
    assert read_messages([said(opcode, payload, key=key)], most=70_000) == (
        [(opcode, payload)],
        None,
    )
    assert OfWsproto(frame(opcode, payload), ConnectionType.CLIENT).messages == [(opcode, payload)]
