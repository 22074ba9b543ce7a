"""Scopes: ``api:verb``. The one list of them, and the rules of handing them on."""

from collections.abc import Iterable

from engine.errors import FieldError, ScopeError

SCOPED_APIS = ("auth", "events", "webhooks", "conversation", "analytics", "billing")
WORKSPACE_SCOPES = frozenset({"admin:read", "admin:write"})
ENVIRONMENT_SCOPES = frozenset(f"{api}:{verb}" for api in SCOPED_APIS for verb in ("read", "write"))
SCOPES = ENVIRONMENT_SCOPES | WORKSPACE_SCOPES

UNDELEGABLE = frozenset({"auth:write"})
"""No ephemeral key may make keys: a client in a browser never mints a credential."""


def check_delegated(wanted: Iterable[str], *, parent: frozenset[str]) -> frozenset[str]:
    """Return ``wanted`` as a set that is never wider than the ``parent`` key's scopes.

    Raises:
        ScopeError: an unknown scope, one the parent lacks, or one that is never handed on.
    """
    scopes = frozenset(wanted)
    bad = [_problem(scope, parent) for scope in sorted(scopes) if not _allowed(scope, parent)]
    if bad or not scopes:
        detail = "an ephemeral key has at least one scope, and none its parent key lacks"
        raise ScopeError(detail, errors=bad)
    return scopes


def _allowed(scope: str, parent: frozenset[str]) -> bool:
    return scope in SCOPES and scope in parent and scope not in UNDELEGABLE


def _problem(scope: str, parent: frozenset[str]) -> FieldError:
    if scope not in SCOPES:
        return FieldError("scopes", "unknown_scope", f"there is no scope {scope[:64]!r}")
    if scope not in parent:
        return FieldError("scopes", "wider_than_parent", f"the parent key does not have {scope!r}")
    return FieldError("scopes", "not_delegable", f"{scope!r} is never handed on")
