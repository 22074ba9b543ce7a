"""Where the control socket lies, however long the path of the data folder is."""

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FILE_NAME = "control.sock"
SOCKET_PATH_BYTES_MAX = 103
"""What every system takes: Linux 107 bytes, the BSDs and macOS 103."""

DESCRIPTORS = Path("/proc/self/fd")


class PathTooLongError(OSError):
    """The path is too long for a socket, and this system offers no way around it."""


@contextmanager
def socket_path(folder: Path) -> Iterator[str]:
    """Give a path of the control socket of ``folder`` that bind and connect take.

    Raises:
        PathTooLongError: the message says what to do.
        OSError: the folder cannot be opened.
    """
    plain = folder / FILE_NAME
    if len(os.fsencode(plain)) <= SOCKET_PATH_BYTES_MAX:
        yield str(plain)
        return
    if not DESCRIPTORS.is_dir():
        message = (
            f"{plain} is longer than the {SOCKET_PATH_BYTES_MAX} bytes a socket may have here: "
            "give a shorter --data, for example a relative one"
        )
        raise PathTooLongError(message)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"{DESCRIPTORS}/{descriptor}/{FILE_NAME}"
    finally:
        os.close(descriptor)


def peer_uid(connected: Any) -> int | None:
    """Return the user at the other end of a Unix socket; ``None`` where the system does not say."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return None
    credentials = connected.getsockopt(socket.SOL_SOCKET, option, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", credentials)
    return int(uid)
