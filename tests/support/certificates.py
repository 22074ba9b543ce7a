"""Certificates that nobody knows but the tests."""

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Certificate:
    """A certificate for 127.0.0.1 that it has signed itself, and its key, as files."""

    cert: Path
    key: Path

    def trusting(self, *alpn: str) -> ssl.SSLContext:
        """Return what a client needs that trusts it, and speaks these protocols."""
        context = ssl.create_default_context(cafile=str(self.cert))
        if alpn:
            context.set_alpn_protocols(list(alpn))
        return context


def certificate_in(folder: Path) -> Certificate:
    """Make a certificate and keep it in ``folder``."""
    made = Certificate(folder / "parley.crt", folder / "parley.key")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-days", "2", "-nodes", "-subj", "/CN=parley"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(made.key), "-out", str(made.cert)),
        ],
        check=True,
        capture_output=True,
    )
    return made
