"""Every setting, in one table: flag, then ``PARLEY_*``, then ``parley.toml``, then the default."""

import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

from cyclopts import App, ArgumentCollection, Parameter
from cyclopts.config import Toml
from cyclopts.validators import Number

FILE_NAME = "parley.toml"
VARIABLES_PREFIX = "PARLEY_"
OTHER_VARIABLES = frozenset({"PARLEY_KEY", "PARLEY_URL"})
"""Variables that are read, but are no settings: what a client of a server needs."""


class UnsafeSettingsError(Exception):
    """Settings that production does not start with. The message says what to do instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one node."""

    data: Annotated[
        Path, Parameter(env_var="PARLEY_DATA", help="Folder for everything that is kept.")
    ] = Path("parley-data")
    store: Annotated[
        Literal["sqlite", "memory"],
        Parameter(env_var="PARLEY_STORE", help="Where it is kept; memory forgets at the end."),
    ] = "sqlite"
    host: Annotated[str, Parameter(env_var="PARLEY_HOST", help="Address to listen on.")] = (
        "127.0.0.1"
    )
    port: Annotated[
        int,
        Parameter(
            env_var="PARLEY_PORT",
            help="Port to listen on; 0 takes a free one.",
            validator=Number(gte=0, lt=65536),
        ),
    ] = 8080
    tls_cert: Annotated[
        Path | None,
        Parameter(env_var="PARLEY_TLS_CERT", help="PEM file with the certificate chain."),
    ] = None
    tls_key: Annotated[
        Path | None,
        Parameter(env_var="PARLEY_TLS_KEY", help="PEM file with the certificate's key."),
    ] = None
    trusted_proxies: Annotated[
        tuple[str, ...],
        Parameter(
            env_var="PARLEY_TRUSTED_PROXIES",
            help="Addresses or networks of the proxies in front that end TLS; "
            "X-Forwarded-For is believed from them alone.",
        ),
    ] = ()
    proxy_protocol: Annotated[
        bool,
        Parameter(
            env_var="PARLEY_PROXY_PROTOCOL",
            help="The trusted proxies begin every connection with the PROXY protocol, v1 or v2.",
            negative="",
        ),
    ] = False
    max_connections: Annotated[
        int,
        Parameter(
            env_var="PARLEY_MAX_CONNECTIONS",
            help="Connections at once; each needs an open file.",
            validator=Number(gte=1),
        ),
    ] = 16_000
    max_connections_per_address: Annotated[
        int,
        Parameter(
            env_var="PARLEY_MAX_CONNECTIONS_PER_ADDRESS",
            help="Connections at once of one address, IPv6 by /64; 0 is without a bound.",
            validator=Number(gte=0),
        ),
    ] = 1_000
    max_connections_per_key: Annotated[
        int,
        Parameter(
            env_var="PARLEY_MAX_CONNECTIONS_PER_KEY",
            help="Realtime sockets and streams at once of one key; 0 is without a bound.",
            validator=Number(gte=0),
        ),
    ] = 10_000
    server: Annotated[
        Literal["front_door", "hypercorn"],
        Parameter(
            env_var="PARLEY_SERVER", help="What speaks HTTP: Parley's own server, or Hypercorn."
        ),
    ] = "front_door"
    master_key_file: Annotated[
        Path | None,
        Parameter(
            env_var="PARLEY_MASTER_KEY_FILE",
            help="File with 32 bytes in base64 that wraps every other key; mode 0600.",
        ),
    ] = None
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Parameter(env_var="PARLEY_LOG_LEVEL", help="What is logged, to stderr."),
    ] = "info"

    @property
    def tls(self) -> bool:
        """Say whether this node speaks TLS itself."""
        return self.tls_cert is not None and self.tls_key is not None


def check_tls(settings: Settings) -> None:
    """Refuse half of a TLS configuration: it would serve in plain HTTP.

    Raises:
        UnsafeSettingsError: a certificate without a key or the other way round, or no such file.
    """
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise UnsafeSettingsError("give both --tls-cert and --tls-key, or neither")
    for file in (settings.tls_cert, settings.tls_key):
        if file is not None and not file.is_file():
            raise UnsafeSettingsError(f"there is no file {file} to speak TLS with")


def check_proxies(settings: Settings) -> None:
    """Refuse proxies that are no addresses, and a preamble that anybody could send.

    Raises:
        UnsafeSettingsError: with the setting that is to be mended.
    """
    for proxy in settings.trusted_proxies:
        _check_network(proxy)
    if settings.proxy_protocol and not settings.trusted_proxies:
        raise UnsafeSettingsError(
            "--proxy-protocol lets whoever connects say who it is: name the proxies that may "
            "with --trusted-proxies"
        )
    if settings.proxy_protocol and settings.server == "hypercorn":
        raise UnsafeSettingsError("Hypercorn reads no --proxy-protocol; use --server front_door")


def settings_alone(source: Toml) -> Callable[[App, tuple[str, ...], ArgumentCollection], None]:
    """Let ``source`` speak of settings, and not of what one call of a command is asked to do."""
    names = {field.name for field in fields(Settings)}

    def read(app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
        of_settings = (one for one in arguments if _plain_name(one.name) in names)
        # It publishes no types for a constructor that is a list's.
        chosen = ArgumentCollection(of_settings)  # type: ignore[no-untyped-call]
        source(app, commands, chosen)

    return read


def _file(*, allow_unknown: bool = False) -> Toml:
    return Toml(
        FILE_NAME, must_exist=False, use_commands_as_keys=False, allow_unknown=allow_unknown
    )


SOURCES = (settings_alone(_file()),)
"""Where a command finds the settings that it was given neither as a flag nor as a variable."""

LENIENT_SOURCES = (settings_alone(_file(allow_unknown=True)),)
"""The same for the commands that are there to say what is wrong with the file."""


class Witness:
    """Notes where a command's settings came from; it stands behind the sources of the command."""

    def __init__(self) -> None:
        """Nothing was seen yet."""
        self.origins: dict[str, str] = {}

    def __call__(self, app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
        """Note the flag, variable or file of every argument that has a value."""
        del app, commands
        for argument in arguments:
            for token in argument.tokens:
                by_name = token.source in {"cli", "env"}
                origin = (token.keyword or token.source) if by_name else token.source
                self.origins[_plain_name(argument.name)] = origin


@dataclass(frozen=True, slots=True)
class Explained:
    """One setting, as it is shown."""

    name: str
    value: Any
    source: str
    """A flag, a variable, the path of a file, or ``default``."""
    help: str


def explained(settings: Settings, witness: Witness) -> list[Explained]:
    """Return every setting with what ``witness`` has seen of it."""
    hints = get_type_hints(Settings, include_extras=True)
    return [
        Explained(
            name=field.name,
            value=getattr(settings, field.name),
            source=witness.origins.get(field.name, "default"),
            help=_parameter(hints[field.name]).help or "",
        )
        for field in fields(Settings)
    ]


def unknown_variables(names: Iterable[str]) -> list[str]:
    """Return those of ``names`` that look like ours and that nothing reads: misspelt ones."""
    known = {VARIABLES_PREFIX + field.name.upper() for field in fields(Settings)}
    known |= OTHER_VARIABLES
    return sorted(name for name in names if name.startswith(VARIABLES_PREFIX) and name not in known)


def unknown_keys(folder: Path) -> list[str]:
    """Return the keys in a folder's settings file that no setting has."""
    known = {field.name for field in fields(Settings)}
    file = folder / FILE_NAME
    if not file.is_file():
        return []
    kept = tomllib.loads(file.read_text(encoding="utf-8"))
    return sorted(name for name in kept if name.replace("-", "_") not in known)


def _parameter(hint: Any) -> Parameter:
    return next(one for one in hint.__metadata__ if isinstance(one, Parameter))


def _plain_name(flag: str) -> str:
    return flag.removeprefix("--").replace("-", "_")


def load() -> Settings:
    """Return the settings from environment and file alone, for servers that import the app."""
    found: list[Settings] = []
    app = App(config=SOURCES, result_action="return_value")

    @app.default
    def keep(*, settings: Annotated[Settings, Parameter(name="*")] = Settings()) -> None:
        found.append(settings)

    app([])
    return found[0]


def check_production(settings: Settings) -> None:
    """Refuse what is unsafe outside of a sandbox.

    Raises:
        UnsafeSettingsError: no master key file of its own, plain HTTP to the outside, or proxies
            that cannot be trusted.
    """
    if settings.store == "memory":
        raise UnsafeSettingsError("--store memory forgets everything at the end; use sqlite")
    if settings.master_key_file is None:
        raise UnsafeSettingsError(
            "name a --master-key-file outside of the data folder. Make one with:\n"
            "  (umask 077; head -c 32 /dev/urandom | base64 > master.key)"
        )
    if settings.data.resolve() in settings.master_key_file.resolve().parents:
        raise UnsafeSettingsError(
            "the master key lies in the data folder, so every backup would carry it; move it"
        )
    check_proxies(settings)
    if not (settings.tls or settings.trusted_proxies or _is_loopback(settings.host)):
        raise UnsafeSettingsError(
            f"{settings.host} can be reached from outside in plain HTTP: give --tls-cert and "
            "--tls-key, or name the proxies that end TLS with --trusted-proxies"
        )


def _check_network(text: str) -> None:
    try:
        ip_network(text)
    except ValueError as error:
        detail = f"--trusted-proxies takes addresses or networks, and {text!r} is neither"
        raise UnsafeSettingsError(detail) from error


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
