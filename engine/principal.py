"""Who is asking: what a credential stands for once it has been checked. Pure."""

from dataclasses import dataclass

from engine.errors import ForbiddenError, MissingScopeError
from engine.log.event import CUSTOMER, STAFF

ACCOUNT_PREFIX = "acct_"


@dataclass(frozen=True, slots=True)
class Principal:
    """One authenticated caller, on one environment of one workspace."""

    workspace: str
    environment: str
    key_id: str
    """The secret key behind it: itself, or the parent of an ephemeral key."""
    subject: str
    """The key itself, or the account or user an ephemeral key was made for."""
    scopes: frozenset[str]
    staff: bool
    expires_s: int | None = None
    """Unix seconds; ``None`` = until revoked."""
    conversations: frozenset[str] | None = None
    """The only conversations it may touch; ``None`` = no such limit."""

    @property
    def audience(self) -> str:
        """Return whose eyes it reads with."""
        return STAFF if self.staff else CUSTOMER

    @property
    def account(self) -> str | None:
        """Return the account a customer's key was made for, if it was made for one."""
        if self.staff or not self.subject.startswith(ACCOUNT_PREFIX):
            return None
        return self.subject

    def require(self, scopes: tuple[str, ...]) -> None:
        """Refuse unless it has every one of ``scopes``.

        Raises:
            MissingScopeError: names the first one that is missing.
        """
        for scope in scopes:
            if scope not in self.scopes:
                detail = f"this needs the scope {scope}, which the key does not have"
                raise MissingScopeError(detail, members={"required_scopes": list(scopes)})

    def require_staff(self, what: str) -> None:
        """Refuse a customer's key.

        Raises:
            ForbiddenError: says that ``what`` is not for it.
        """
        if not self.staff:
            detail = f"a customer's key may not {what}"
            raise ForbiddenError(detail)
