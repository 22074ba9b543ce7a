"""The files of the documentation page, each with its media type and its tag.

Swagger UI lies in a package made for Django. It is found by the files it has installed and never
imported, since importing it would need Django.
"""

import hashlib
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import distribution
from pathlib import Path

import trio

CSS = "text/css"
JAVASCRIPT = "text/javascript"
INDEX = "index.html"

_OURS = Path(__file__).parent
_SWAGGER_UI = "drf_spectacular_sidecar/static/drf_spectacular_sidecar/swagger-ui-dist"

FILES = {
    "start.js": JAVASCRIPT,
    "swagger-ui-bundle.js": JAVASCRIPT,
    "swagger-ui.css": CSS,
}
"""Every file the page asks for; there are no others to be had."""

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Nothing of another host, no script and no style in the page; ``data:`` are the UI's icons."""


@dataclass(frozen=True, slots=True)
class File:
    """What is served under one name."""

    content: bytes = field(repr=False)
    media_type: str
    etag: str


async def load(name: str) -> File:
    """Return a file of the page. Read from the disk once, in a thread.

    Raises:
        KeyError: the page has no file of that name.
    """
    media_type = "text/html" if name == INDEX else FILES[name]
    return await trio.to_thread.run_sync(_read, name, media_type)


@cache
def _read(name: str, media_type: str) -> File:
    content = _place_of(name).read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    return File(content, f"{media_type}; charset=utf-8", f'"{digest[:32]}"')


def _place_of(name: str) -> Path:
    ours = _OURS / name
    if ours.is_file():
        return ours
    found = distribution("drf-spectacular-sidecar").locate_file(f"{_SWAGGER_UI}/{name}")
    return Path(str(found))
