"""A certificate is changed while connections are open."""

import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
import trio

from gateway.server.tls import CertificateError, Certificates

ALPN = ("h2", "http/1.1")
NAME = "parley.test"

Stream = trio.SSLStream[trio.SocketStream]


class Pair(NamedTuple):
    """A certificate and its key, as files."""

    cert: Path
    key: Path

    def lay_in(self, place: "Pair") -> None:
        """Put copies of both where ``place`` says."""
        shutil.copy(self.cert, place.cert)
        shutil.copy(self.key, place.key)

    @property
    def der(self) -> bytes:
        return ssl.PEM_cert_to_DER_cert(self.cert.read_text())


def make(folder: Path, name: str, *more: str) -> Pair:
    pair = Pair(folder / f"{name}.crt", folder / f"{name}.key")
    protection = [] if "-passout" in more else ["-nodes"]
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{NAME}"),
            *("-keyout", str(pair.key), "-out", str(pair.cert), *protection, *more),
        ],
        check=True,
        capture_output=True,
    )
    return pair


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Pair, Pair]:
    folder = tmp_path_factory.mktemp("certificates")
    return make(folder, "one"), make(folder, "two")


@pytest.fixture
def served(made: tuple[Pair, Pair], tmp_path: Path) -> Pair:
    place = Pair(tmp_path / "server.crt", tmp_path / "server.key")
    made[0].lay_in(place)
    return place


async def connected(certificates: Certificates, *alpn: str) -> tuple[Stream, Stream]:
    """Return both ends, client first, of a connection with a finished handshake."""
    trusting = ssl.create_default_context()
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    trusting.set_alpn_protocols(list(alpn or ALPN))
    near, far = trio.socket.socketpair()
    client = trio.SSLStream(trio.SocketStream(near), trusting, server_hostname=NAME)
    server = trio.SSLStream(trio.SocketStream(far), certificates.context, server_side=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.do_handshake)
        nursery.start_soon(server.do_handshake)
    return client, server


@contextmanager
def closing(*streams: Stream) -> Iterator[None]:
    try:
        yield
    finally:
        for stream in streams:
            stream.transport_stream.socket.close()


def shown(client: Stream) -> bytes | None:
    """Return the certificate that a client was shown."""
    found: bytes | None = client.getpeercert(binary_form=True)
    return found


async def shown_now(certificates: Certificates) -> bytes | None:
    client, server = await connected(certificates)
    with closing(client, server):
        return shown(client)


async def test_after_a_reload_new_connections_see_the_new_certificate(
    made: tuple[Pair, Pair], served: Pair
) -> None:
    certificates = Certificates(*served, alpn=ALPN)
    assert await shown_now(certificates) == made[0].der
    made[1].lay_in(served)
    assert await shown_now(certificates) == made[0].der
    certificates.reload()
    assert await shown_now(certificates) == made[1].der


async def test_an_open_connection_goes_on_after_a_reload(
    made: tuple[Pair, Pair], served: Pair
) -> None:
    certificates = Certificates(*served, alpn=ALPN)
    client, server = await connected(certificates)
    with closing(client, server):
        made[1].lay_in(served)
        certificates.reload()
        await client.send_all(b"ping")
        assert await server.receive_some() == b"ping"
        await server.send_all(b"pong")
        assert await client.receive_some() == b"pong"
        assert shown(client) == made[0].der


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("new certificate, old key", "is not the key"),
        ("old certificate, new key", "is not the key"),
        ("half a certificate", "no certificate chain"),
        ("half a key", "no certificate chain"),
        ("an empty certificate", "no certificate chain"),
        ("an empty key", "no certificate chain"),
        ("no certificate", "cannot be read"),
        ("no key", "cannot be read"),
        ("files changed over", "no certificate chain"),
    ],
)
async def test_files_that_are_no_pair_leave_the_old_one(
    made: tuple[Pair, Pair], served: Pair, fault: str, words: str
) -> None:
    certificates = Certificates(*served, alpn=ALPN)
    two = made[1]
    half_a_certificate = two.cert.read_bytes()[:200]
    half_a_key = two.key.read_bytes()[:80]
    faults = {
        "new certificate, old key": (two.cert.read_bytes(), None),
        "old certificate, new key": (None, two.key.read_bytes()),
        "half a certificate": (half_a_certificate, two.key.read_bytes()),
        "half a key": (two.cert.read_bytes(), half_a_key),
        "an empty certificate": (b"", None),
        "an empty key": (None, b""),
        "files changed over": (two.key.read_bytes(), two.cert.read_bytes()),
    }
    for file, content in zip(served, faults.get(fault, (None, None)), strict=True):
        if content is not None:
            file.write_bytes(content)
    if fault.startswith("no "):
        (served.key if fault == "no key" else served.cert).unlink()
    before = certificates.context
    with pytest.raises(CertificateError, match=words) as told:
        certificates.reload()
    assert str(served.key) in str(told.value)
    assert certificates.context is before
    assert await shown_now(certificates) == made[0].der
    two.lay_in(served)
    certificates.reload()
    assert await shown_now(certificates) == two.der


def test_a_key_with_a_password_is_refused_and_nobody_is_asked(tmp_path: Path) -> None:
    locked = make(tmp_path, "locked", "-passout", "pass:word")
    with pytest.raises(CertificateError, match="has a password"):
        Certificates(*locked, alpn=ALPN)


def test_without_files_there_is_no_start(tmp_path: Path) -> None:
    with pytest.raises(CertificateError, match="cannot be read"):
        Certificates(tmp_path / "none.crt", tmp_path / "none.key", alpn=ALPN)


@pytest.mark.parametrize(
    ("offered", "agreed"),
    [(("http/1.1", "h2"), "h2"), (("http/1.1",), "http/1.1"), (("spdy/3",), None)],
)
async def test_the_better_protocol_is_agreed_on(
    served: Pair, offered: tuple[str, ...], agreed: str | None
) -> None:
    client, server = await connected(Certificates(*served, alpn=ALPN), *offered)
    with closing(client, server):
        assert client.selected_alpn_protocol() == agreed
        assert client.compression() is None


async def test_nothing_older_than_tls_1_2_is_spoken(served: Pair) -> None:
    context = Certificates(*served, alpn=ALPN).context
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert all(
        "ECDHE" in one["name"] or one["protocol"] == "TLSv1.3" for one in context.get_ciphers()
    )
