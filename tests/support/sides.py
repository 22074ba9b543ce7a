"""Two servers with equal data, asked the same: what of their answers has to be the same."""

import re
from dataclasses import dataclass, field

import httpx2
import msgspec

from tests.support.exchanges import Exchanges, exchanging
from tests.support.servers import Server
from tests.support.talk import AGENT, USER, post

MSGPACK = "application/msgpack"
ITS_OWN = frozenset({"date"})
"""Headers that say nothing of the request."""

OF_A_STREAM = frozenset({"connection", "content-length"})
"""Ours ends the connection behind a stream, and says so. The length is of what was read here."""

_MADE = re.compile(
    r"(?P<id>\b[a-z]+_[0-7][0-9a-hjkmnp-tv-z]{25}\b)|(?P<cursor>\bcur_[\w-]{20,})"
    r'|(?P<page>(?:(?<=page=)|(?<="next":"))[\w-]{22})'
    r"|(?P<key>\b[se]k_[a-z]+_\w[\w-]{20,})"
    r"|(?P<time>\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)"
)


@dataclass(frozen=True)
class Row:
    """One request; names in braces stand for what the servers have made, each its own."""

    name: str
    method: str
    path: str
    headers: tuple[str, ...] = ()
    body: bytes = b""
    key: str | None = "live"
    lines: int = 0
    """How many lines of a stream are read, which has no end."""
    same_body: bool = True
    unlike: frozenset[str] = frozenset()
    """Headers in which the servers are known to differ."""


@dataclass
class Side:
    """One of the servers, and the names of what it has made."""

    server: Server
    names: dict[str, str] = field(default_factory=dict)
    _seen: dict[str, str] = field(default_factory=dict)
    """What the present answer names, by what it stands for."""

    async def prepare(self) -> None:
        """Make a conversation of three events, and keys of every kind."""
        tenant = self.server.tenant
        self.names |= {"live": tenant.live, "test": tenant.test, "admin": tenant.admin}
        async with self.server.client(tenant.live) as client:
            first = await post(client, "Hello", author=USER)
            second = await post(client, "What may I do for you?", author=AGENT)
        scopes = ("conversation:read", "conversation:write", "events:read")
        self.names |= {
            "customer": await self.server.ephemeral("usr_45", scopes=scopes),
            "epoch": first["epoch"],
            "conversation": first["conversation_id"],
            "message": first["id"],
            "cursor": first["cursor"],
            "event": first["event_id"],
            "last": second["id"],
        }

    async def answer(self, row: Row) -> tuple[int, list[tuple[str, str]], str]:
        """Return status, headers and body of the answer to ``row``, as they compare."""
        async with exchanging(self.server.url) as exchanges:
            await self._ask(exchanges, row)
            self._seen = {made: name.upper() for name, made in self.names.items()}
            answer = await exchanges.answer(bodiless=row.method == "HEAD", lines=row.lines)
        passed_over = ITS_OWN | row.unlike | (OF_A_STREAM if row.lines else set())
        headers = [
            (name, self._alike(value))
            for name, value in sorted(answer.headers.items())
            if name not in passed_over and (row.same_body or name != "content-length")
        ]
        body = self._alike(_text(answer)) if row.same_body else ""
        return answer.status_code, headers, body

    async def _ask(self, exchanges: Exchanges, row: Row) -> None:
        lines = [line.format(**self.names) for line in row.headers]
        if row.key is not None:
            lines.append(f"Authorization: Bearer {self.names[row.key]}")
        if row.body:
            lines.append(f"Content-Length: {len(row.body)}")
            if not any(line.lower().startswith("content-type") for line in lines):
                lines.append("Content-Type: application/json")
        first = f"{row.method} {row.path.format(**self.names)}"
        await exchanges.ask(*(line.encode("latin-1") for line in (first, *lines)), body=row.body)

    def _alike(self, text: str) -> str:
        """Give what this server has made a name: which it is, or when it was seen first."""
        return _MADE.sub(self._named, text.replace(self.names["epoch"], "EPOCH"))

    def _named(self, found: re.Match[str]) -> str:
        if found.lastgroup in {"time", "page"}:
            return found.lastgroup.upper()
        kind = found[0].partition("_")[0]
        return self._seen.setdefault(found[0], f"{kind.upper()}-{len(self._seen)}")


def _text(answer: httpx2.Response) -> str:
    if answer.content and answer.headers.get("content-type") == MSGPACK:
        return msgspec.json.encode(msgspec.msgpack.decode(answer.content)).decode()
    return answer.content.decode("latin-1")


async def differences(ours: Side, other: Side, rows: tuple[Row, ...]) -> dict[str, list[str]]:
    """Ask both for each row, in order; return how their answers differ, by the row's name.

    That both fail is no agreement.
    """
    found: dict[str, list[str]] = {}
    for row in rows:
        left, right = await ours.answer(row), await other.answer(row)
        if left != right:
            pairs = zip(left, right, strict=True)
            found[row.name] = [f"{a!r} != {b!r}" for a, b in pairs if a != b]
        elif left[0] >= httpx2.codes.INTERNAL_SERVER_ERROR:
            found[row.name] = [f"both failed: {left[2]}"]
    return found
