"""Every error on the wire: problem+json (RFC 9457), and one page that says what to do.

``PROBLEMS`` is the only place where a code gets its status. A test holds it complete.
"""

import html
from collections.abc import Collection
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import msgspec

from engine.errors import ParleyError
from gateway.logs import mask_credentials

CONTENT_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Problem:
    """What a code means."""

    status: int
    title: str
    advice: str
    """What the reader should do about it."""


PROBLEMS: dict[str, Problem] = {
    "internal": Problem(
        500, "Something failed on our side", "Try again; if it stays, report the request_id."
    ),
    "invalid": Problem(422, "The request cannot be carried out", "Read `detail` and `errors`."),
    "wrong_type": Problem(
        422, "A member has the wrong type or is missing", "Compare the body with /openapi.json."
    ),
    "unknown_field": Problem(
        422, "A member nobody asked for", "Remove it, or correct its spelling."
    ),
    "out_of_range": Problem(422, "A value is outside its bounds", "Read `errors` for the bounds."),
    "precondition_required": Problem(
        428,
        "Say which version you have seen",
        "Read the resource, and send its ETag as If-Match or its version as expected_version.",
    ),
    "forbidden_character": Problem(
        422, "A character that is not allowed", "Remove NUL and control characters."
    ),
    "bad_parent": Problem(
        422,
        "The parent is no message of this conversation",
        "Use the id of a message that this key can read in the same conversation.",
    ),
    "bad_position": Problem(
        422,
        "That is no position",
        "Use a version, an ETag, an event id, a cursor, an RFC 3339 time or now-1m.",
    ),
    "bad_version": Problem(
        422, "The stream has never had this version", "Read the conversation for its version."
    ),
    "bad_scope": Problem(
        422, "These scopes cannot be given", "Ask for scopes that the secret key itself has."
    ),
    "bad_parameter": Problem(
        422, "A query parameter is wrong", "Compare the URL with /openapi.json."
    ),
    "bad_cursor": Problem(
        400, "That is not one of our cursors", "Copy it whole, from an event or a response."
    ),
    "bad_idempotency_key": Problem(
        400,
        "The idempotency key cannot be used",
        "Send 1 to 255 printable ASCII characters, the same in header and body.",
    ),
    "malformed_json": Problem(
        400, "The body is not valid JSON", "Send UTF-8 JSON as RFC 8259 has it."
    ),
    "malformed_msgpack": Problem(400, "The body is not valid MessagePack", "Check the encoder."),
    "duplicate_key": Problem(400, "A member stands in the body twice", "Send every member once."),
    "too_deep": Problem(400, "The body is nested too deeply", "Nest at most 32 levels."),
    "too_large": Problem(413, "The body is too large", "Send less at once; read `detail`."),
    "request_timeout": Problem(
        408, "The body did not arrive in time", "Send the body without pausing."
    ),
    "unsupported_media_type": Problem(
        415,
        "The body has a type or an encoding we do not read",
        "Send Content-Type: application/json without Content-Encoding.",
    ),
    "not_acceptable": Problem(
        406, "None of the accepted types is to be had here", "See the route in /openapi.json."
    ),
    "unauthenticated": Problem(
        401, "No credential, or none that is known", "Send Authorization: Bearer sk_… or ek_…."
    ),
    "forbidden": Problem(403, "The key may not do this", "Use a key that may."),
    "missing_scope": Problem(
        403, "The key lacks a scope", "Make a key with the scopes in `required_scopes`."
    ),
    "author_mismatch": Problem(
        403,
        "The key may not write as this author",
        "Write as the key's own subject, or as a user of its account.",
    ),
    "not_found": Problem(404, "There is no such thing here", "Check the id and the key."),
    "method_not_allowed": Problem(
        405, "This path does not take that method", "Use one of the methods in `Allow`."
    ),
    "conflict": Problem(409, "The request meets a state it cannot have", "Read `detail`."),
    "version_conflict": Problem(
        412,
        "Something happened since the version you saw",
        "Read `missed`, decide again, and send the new version.",
    ),
    "idempotency_mismatch": Problem(
        422, "The idempotency key was used with another body", "Use a new key for a new request."
    ),
    "idempotency_in_progress": Problem(
        409, "The first request with this key is still running", "Repeat it after Retry-After."
    ),
    "too_many_connections": Problem(
        429, "Too many connections are open", "Close some, or try again later."
    ),
    "overloaded": Problem(503, "Too much work is waiting", "Repeat it after Retry-After."),
    "actor_stopped": Problem(503, "The actor restarted", "Repeat it with the same key."),
    "conversation_parked": Problem(
        503,
        "Its actor has failed again and again",
        "Repeat it after Retry-After; if it stays, report the request_id.",
    ),
    "storage_unavailable": Problem(
        503, "The store does not answer right now", "Repeat it after Retry-After."
    ),
    "outcome_unknown": Problem(
        503,
        "The write may or may not have happened",
        "Repeat it with the same idempotency key: the answer tells.",
    ),
    "bad_frame": Problem(
        400, "A frame that means nothing here", "See the realtime protocol in the documentation."
    ),
    "bad_framing": Problem(
        400,
        "The request does not keep to HTTP/1.1",
        "Read `detail`; a proxy on the way that rewrites requests may be the cause.",
    ),
    "bad_handshake": Problem(
        400, "The WebSocket handshake is not valid", "Open it as RFC 6455 has it."
    ),
    "expectation_failed": Problem(
        417, "An expectation that is not met here", "Send Expect: 100-continue or none."
    ),
    "headers_too_large": Problem(
        431, "The headers are too large or too many", "Send fewer or shorter headers."
    ),
    "http_version_not_supported": Problem(
        505, "This port does not speak that version of HTTP", "Use HTTP/1.1."
    ),
    "misdirected": Problem(
        421, "The request is for another host", "Name the same host in the URL and in Host."
    ),
    "not_implemented": Problem(
        501, "No path takes this method", "Use one of the methods in /openapi.json."
    ),
    "upgrade_required": Problem(
        426, "Only a WebSocket is served here", "Open it with version 13 of the protocol."
    ),
    "uri_too_long": Problem(414, "The URL is too long", "Shorten the query; read `detail`."),
    "not_ready": Problem(503, "The server is starting or stopping", "Repeat it after Retry-After."),
}


class HttpError(ParleyError):
    """A refusal of the door itself: it knows no engine error of that kind."""

    def __init__(self, code: str, detail: str, **rest: Any) -> None:
        """Refuse with one of the codes of ``PROBLEMS``."""
        super().__init__(detail, **rest)
        self.http_code = code


class MethodNotAllowedError(HttpError):
    """The path exists, the method does not. ``allow`` names the ones that do."""

    def __init__(self, allow: Collection[str]) -> None:
        """Keep the methods the path takes; what answers GET answers HEAD."""
        self.allow = ", ".join(sorted({*allow, *(["HEAD"] if "GET" in allow else [])}))
        super().__init__("method_not_allowed", f"this path takes {self.allow}")


def internal() -> ParleyError:
    """Return what a client is told of a failure of ours, which whoever met it has logged."""
    return ParleyError("something failed on our side; it was logged")


def code_of(error: ParleyError) -> str:
    """Return the public code of an error."""
    return error.http_code if isinstance(error, HttpError) else error.code


def status_of(error: ParleyError) -> int:
    """Return the HTTP status of an error."""
    return PROBLEMS[code_of(error)].status


def problem_of(
    error: ParleyError, *, request_id: str, instance: str | None = None
) -> dict[str, Any]:
    """Return the members of the problem document of an error."""
    code = code_of(error)
    known = PROBLEMS[code]
    document: dict[str, Any] = {
        "type": f"/problems/{code}",
        "title": known.title,
        "status": known.status,
        "detail": mask_credentials(error.detail),
        "code": code,
        "request_id": request_id,
    }
    if instance is not None:
        document["instance"] = mask_credentials(instance)
    if error.errors:
        document["errors"] = [
            {
                "field": mask_credentials(e.field),
                "code": e.code,
                "detail": mask_credentials(e.detail),
            }
            for e in error.errors
        ]
    return document | error.members


def problem_bytes(error: ParleyError, *, request_id: str, instance: str | None) -> bytes:
    """Return the problem document as JSON."""
    return msgspec.json.encode(problem_of(error, request_id=request_id, instance=instance))


def headers_of(error: ParleyError) -> list[tuple[str, str]]:
    """Return the headers an error brings along."""
    headers = [("Cache-Control", "no-store")]
    if error.retry_after_s is not None:
        headers.append(("Retry-After", str(max(1, round(error.retry_after_s)))))
    if status_of(error) == HTTPStatus.UNAUTHORIZED:
        headers.append(("WWW-Authenticate", 'Bearer realm="parley"'))
    if isinstance(error, MethodNotAllowedError):
        headers.append(("Allow", error.allow))
    return headers


def page(code: str) -> str:
    """Return the page of a code, for people. Raises ``KeyError`` for a code that is none."""
    known = PROBLEMS[code]
    advice = html.escape(known.advice)
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{code}</title>"
        "<style>body{font:16px/1.6 system-ui;margin:4rem auto;max-width:40rem;padding:0 1rem}"
        "code{background:#eee;padding:.1em .3em}</style>"
        f"<h1>{html.escape(known.title)}</h1><p><code>{code}</code>, HTTP status {known.status}</p>"
        f"<p><b>What to do:</b> {advice}</p></html>"
    )
