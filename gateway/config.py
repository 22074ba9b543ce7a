"""Every setting, in one table: flag, then ``PARLEY_*``, then ``parley.toml``, then the default."""

from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter
from cyclopts.config import Env, Toml
from cyclopts.validators import Number

SOURCES = (
    Env("PARLEY_", command=False),
    Toml("parley.toml", must_exist=False, use_commands_as_keys=False),
)


class UnsafeSettingsError(Exception):
    """Settings that production does not start with. The message says what to do instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one node."""

    data: Annotated[Path, Parameter(help="Folder for everything that is kept.")] = Path(
        "parley-data"
    )
    store: Annotated[
        Literal["sqlite", "memory"], Parameter(help="Where it is kept; memory forgets at the end.")
    ] = "sqlite"
    host: Annotated[str, Parameter(help="Address to listen on.")] = "127.0.0.1"
    port: Annotated[
        int,
        Parameter(help="Port to listen on; 0 takes a free one.", validator=Number(gte=0, lt=65536)),
    ] = 8080
    tls_cert: Annotated[Path | None, Parameter(help="PEM file with the certificate chain.")] = None
    tls_key: Annotated[Path | None, Parameter(help="PEM file with the certificate's key.")] = None
    trusted_proxies: Annotated[
        tuple[str, ...], Parameter(help="Addresses of the proxies in front that end TLS.")
    ] = ()
    master_key_file: Annotated[
        Path | None,
        Parameter(help="File with 32 bytes in base64 that wraps every other key; mode 0600."),
    ] = None
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Parameter(help="What is logged, to stderr.")
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
        UnsafeSettingsError: no master key file of its own, or plain HTTP to the outside.
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
    for proxy in settings.trusted_proxies:
        _check_network(proxy)
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
