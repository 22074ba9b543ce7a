"""What the credential actor may be asked."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CreateKey:
    """Make a secret key known. The key itself never gets here, only its hash."""

    name: str
    environment: str
    scopes: tuple[str, ...]
    sha256: str
    hint: str


@dataclass(frozen=True, slots=True)
class CreateWorkspace:
    """Give a new workspace its name."""

    name: str
