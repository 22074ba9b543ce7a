"""The certificate of this node, and how it is changed while connections are open.

A context that serves is never touched: OpenSSL takes certificate and key one after the other, and a
handshake in between, or a second file that fails, would find half a pair. A new pair gets a context
of its own, which takes the place of the old one when it is whole.
"""

import ssl
from pathlib import Path

from gateway.config import UnsafeSettingsError

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2 what has forward secrecy and what HTTP/2 allows (RFC 9113, section 9.2.2)."""


class CertificateError(UnsafeSettingsError):
    """The files cannot be served with. The message names them and says why."""


class Certificates:
    """A certificate chain with its key, from two PEM files."""

    def __init__(self, cert: Path, key: Path, *, alpn: tuple[str, ...]) -> None:
        """Load the files; offer the protocols in ``alpn``, the best one first.

        Raises:
            CertificateError: they cannot be served with.
        """
        self._cert = cert
        self._key = key
        self._alpn = alpn
        self._context = self._loaded()

    @property
    def context(self) -> ssl.SSLContext:
        """The context of the next connection. Ask for each one anew: ``reload`` replaces it."""
        return self._context

    def reload(self) -> None:
        """Load the files anew for connections to come; those that are open go on as they are.

        Clients that resume a session of before make a whole handshake. Reads two small files, and
        does not await.

        Raises:
            CertificateError: they cannot be served with: missing, half-written, or a key of another
                certificate. The old ones stay.
        """
        self._context = self._loaded()

    def _loaded(self) -> ssl.SSLContext:
        context = _strict(self._alpn)
        try:
            context.load_cert_chain(self._cert, self._key, password=self._refuse_password)
        except ssl.SSLError as error:
            raise CertificateError(self._why(error)) from error
        except OSError as error:
            detail = f"{self._cert} or {self._key} cannot be read: {error.strerror or error}"
            raise CertificateError(detail) from error
        return context

    def _why(self, error: ssl.SSLError) -> str:
        if error.reason == "KEY_VALUES_MISMATCH":
            return f"{self._key} is not the key of the certificate in {self._cert}"
        told = error.reason or "no PEM"
        return f"{self._cert} and {self._key} are no certificate chain with its key: {told}"

    def _refuse_password(self) -> str:
        # Without this, OpenSSL would ask for the password on the terminal, and wait.
        raise CertificateError(f"the key in {self._key} has a password: store it without one")


def _strict(alpn: tuple[str, ...]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_ciphers(CIPHERS)
    context.set_alpn_protocols(list(alpn))
    return context
