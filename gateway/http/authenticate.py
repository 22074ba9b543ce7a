"""What the Authorization header presents, and whether it may act on an environment. Pure."""

from engine.errors import ForbiddenError, UnauthenticatedError
from engine.principal import Principal

SCHEME = "bearer "


def credential_of(headers: dict[str, str]) -> str:
    """Return the credential a request presents.

    Raises:
        UnauthenticatedError: there is none, or not as ``Bearer``.
    """
    text = headers.get("authorization", "")
    if not text.lower().startswith(SCHEME):
        detail = "send Authorization: Bearer followed by a key"
        raise UnauthenticatedError(detail)
    return text[len(SCHEME) :].strip()


def check_environment(principal: Principal) -> None:
    """Refuse an admin key where a conversation's environment is needed.

    Raises:
        ForbiddenError: use a live or a test key.
    """
    if principal.environment == "workspace":
        detail = "an admin key acts on the workspace; use an sk_live_ or sk_test_ key here"
        raise ForbiddenError(detail)
