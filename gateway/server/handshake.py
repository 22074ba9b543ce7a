"""The opening handshake of a WebSocket: the server's side of RFC 6455, section 4.2. Pure."""

import binascii
import re
from base64 import b64encode
from hashlib import sha1

from gateway.http.problem import HttpError
from gateway.server.http1 import Incoming

_VERSION = "13"
_KEY_BYTES = 16
_ACCEPT_SALT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class RefusedHandshakeError(HttpError):
    """This opens no WebSocket. ``headers`` belong to the answer, besides those of its problem."""

    def __init__(self, code: str, detail: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        """Refuse with one of the codes of ``PROBLEMS``."""
        super().__init__(code, detail)
        self.code = code  # type: ignore[misc] # other errors have one a class
        self.headers = headers


def check(incoming: Incoming) -> list[str]:
    """Return the subprotocols that are asked for, the best liked first.

    Extensions are passed over: none is ever agreed on. Whether the origin may come in is not
    decided here.

    Raises:
        RefusedHandshakeError: the request opens no WebSocket of this version.
    """
    if incoming.method != "GET":
        allow = (("Allow", "GET"),)
        raise RefusedHandshakeError("method_not_allowed", "a WebSocket is opened by GET", allow)
    if not incoming.upgrade:
        raise _upgrade_required("this path takes nothing but a WebSocket: ask for the upgrade")
    if incoming.headers.get("sec-websocket-version") != _VERSION:
        raise _upgrade_required(f"the version of the WebSocket protocol here is {_VERSION}")
    if not _is_key(incoming.headers.get("sec-websocket-key", "")):
        detail = f"Sec-WebSocket-Key is not {_KEY_BYTES} bytes in base64"
        raise RefusedHandshakeError("bad_handshake", detail)
    return _subprotocols(incoming.headers.get("sec-websocket-protocol", ""))


def accepted(incoming: Incoming, subprotocol: str | None) -> bytes:
    """Return the whole response that opens the WebSocket.

    Args:
        incoming: a request that has passed ``check``.
        subprotocol: one of those it returned, or none.
    """
    key = incoming.headers["sec-websocket-key"].encode()
    digest = b64encode(sha1(key + _ACCEPT_SALT, usedforsecurity=False).digest()).decode()
    agreed = f"Sec-WebSocket-Protocol: {subprotocol}\r\n" if subprotocol is not None else ""
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {digest}\r\n{agreed}\r\n"
    ).encode()


def _upgrade_required(detail: str) -> RefusedHandshakeError:
    # RFC 9110, section 15.5.22, wants the protocol named; RFC 6455, section 4.4, the version.
    headers = (
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", _VERSION),
    )
    return RefusedHandshakeError("upgrade_required", detail, headers)


def _is_key(key: str) -> bool:
    try:
        return len(binascii.a2b_base64(key, strict_mode=True)) == _KEY_BYTES
    except ValueError:
        return False


def _subprotocols(header: str) -> list[str]:
    asked = [name for name in (one.strip(" \t") for one in header.split(",")) if name]
    if not all(map(_TOKEN.fullmatch, asked)) or len(set(asked)) < len(asked):
        detail = "Sec-WebSocket-Protocol is no list of names that differ"
        raise RefusedHandshakeError("bad_handshake", detail)
    return asked
