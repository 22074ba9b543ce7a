"""Settings: where they come from, and what production refuses."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import pytest
from cyclopts import App, Parameter

from gateway.config import (
    SOURCES,
    Settings,
    UnsafeSettingsError,
    Witness,
    check_production,
    check_proxies,
    check_tls,
    explained,
    load,
)

DEFAULTS = Settings()


def given_flags(*flags: str) -> Settings:
    """Return what a command gets when it is called with ``flags``."""
    found: list[Settings] = []
    app = App(config=SOURCES, result_action="return_value")

    @app.default
    def keep(*, settings: Annotated[Settings, Parameter(name="*")] = DEFAULTS) -> None:
        found.append(settings)

    app(list(flags))
    return found[0]


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder without settings."""
    monkeypatch.chdir(tmp_path)
    for name in ("PORT", "HOST", "STORE", "DATA", "LOG_LEVEL"):
        monkeypatch.delenv(f"PARLEY_{name}", raising=False)
    return tmp_path


def test_without_anything_the_defaults_hold() -> None:
    assert load() == Settings()
    assert given_flags() == Settings()


def test_a_flag_goes_before_the_environment_and_that_before_the_file(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (nowhere / "parley.toml").write_text('port = 1001\nhost = "10.0.0.1"\nstore = "memory"\n')
    monkeypatch.setenv("PARLEY_PORT", "1002")
    monkeypatch.setenv("PARLEY_HOST", "10.0.0.2")
    found = given_flags("--port", "1003")
    assert (found.port, found.host, found.store) == (1003, "10.0.0.2", "memory")
    assert (load().port, load().host, load().store) == (1002, "10.0.0.2", "memory")


def safe(folder: Path, **changes: Any) -> Settings:
    plain = Settings(data=folder / "data", master_key_file=folder / "master.key")
    return replace(plain, **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"host": "::1"},
        {"host": "localhost"},
        {"host": "127.8.8.8"},
        {"host": "0.0.0.0", "trusted_proxies": ("10.0.0.1",)},  # noqa: S104 - only compared
        {"host": "example.org", "tls_cert": Path("c.pem"), "tls_key": Path("k.pem")},
    ],
)
def test_safe_settings_are_taken(changes: dict[str, object], tmp_path: Path) -> None:
    check_production(safe(tmp_path, **changes))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"store": "memory"}, "memory"),
        ({"master_key_file": None}, "master-key-file"),
        ({"host": "0.0.0.0"}, "plain HTTP"),  # noqa: S104 - only compared
        ({"host": "::"}, "plain HTTP"),
        ({"host": "192.0.2.1"}, "plain HTTP"),
        ({"host": "example.org"}, "plain HTTP"),
        ({"host": "example.org", "tls_cert": Path("c.pem")}, "plain HTTP"),
    ],
)
def test_unsafe_settings_are_refused(
    changes: dict[str, object], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(UnsafeSettingsError, match=reason):
        check_production(safe(tmp_path, **changes))


def test_a_master_key_in_the_data_folder_is_refused(tmp_path: Path) -> None:
    for place in ("data/master.key", "data/deep/master.key", "other/../data/master.key"):
        with pytest.raises(UnsafeSettingsError, match="backup"):
            check_production(safe(tmp_path, master_key_file=tmp_path / place))
    check_production(safe(tmp_path, master_key_file=tmp_path / "data.key"))


@pytest.mark.parametrize("port", ["-1", "65536", "99999"])
def test_a_port_that_is_none_is_refused(port: str) -> None:
    with pytest.raises(SystemExit):
        given_flags("--port", port)


def test_a_proxy_is_an_address_or_a_network(tmp_path: Path) -> None:
    outside = replace(DEFAULTS, host="0.0.0.0", master_key_file=tmp_path / "key")  # noqa: S104
    for proxies in (("no",), ("10.0.0.1", "proxy.example")):
        with pytest.raises(UnsafeSettingsError, match="trusted-proxies"):
            check_production(replace(outside, trusted_proxies=proxies))
    check_production(replace(outside, trusted_proxies=("10.0.0.1", "192.168.0.0/16")))


def test_a_preamble_is_believed_of_named_proxies_only(tmp_path: Path) -> None:
    anybody = replace(DEFAULTS, proxy_protocol=True)
    with pytest.raises(UnsafeSettingsError, match="trusted-proxies"):
        check_proxies(anybody)
    with pytest.raises(UnsafeSettingsError, match="trusted-proxies"):
        check_production(safe(tmp_path, proxy_protocol=True))
    named = replace(anybody, trusted_proxies=("10.0.0.1",))
    check_proxies(named)
    with pytest.raises(UnsafeSettingsError, match="Hypercorn"):
        check_proxies(replace(named, server="hypercorn"))


def test_the_proxies_of_a_sandbox_are_looked_at_too() -> None:
    with pytest.raises(UnsafeSettingsError, match="neither"):
        check_proxies(replace(DEFAULTS, trusted_proxies=("10.0.0.1/8",)))
    check_proxies(replace(DEFAULTS, trusted_proxies=("10.0.0.0/8", "::1")))


def test_the_server_and_its_bounds_are_settings(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = given_flags()
    assert (plain.server, plain.proxy_protocol) == ("front_door", False)
    assert plain.max_connections == 16_000
    assert plain.max_connections_per_address == 1_000
    assert plain.max_connections_per_key == 10_000
    monkeypatch.setenv("PARLEY_PROXY_PROTOCOL", "true")
    monkeypatch.setenv("PARLEY_MAX_CONNECTIONS", "7")
    (nowhere / "parley.toml").write_text("max_connections_per_key = 3\n")
    found = given_flags("--server", "hypercorn", "--max-connections-per-address", "0")
    assert (found.server, found.proxy_protocol, found.max_connections) == ("hypercorn", True, 7)
    assert (found.max_connections_per_address, found.max_connections_per_key) == (0, 3)
    assert given_flags("--proxy-protocol=false").proxy_protocol is False
    assert load().proxy_protocol is True


@pytest.mark.parametrize(
    "flags",
    [
        ("--max-connections", "0"),
        ("--max-connections-per-address", "-1"),
        ("--max-connections-per-key", "-1"),
        ("--server", "apache"),
    ],
)
def test_a_bound_that_is_none_is_refused(flags: tuple[str, str]) -> None:
    with pytest.raises(SystemExit):
        given_flags(*flags)


def test_a_certificate_that_is_not_there_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "cert.pem"
    with pytest.raises(UnsafeSettingsError, match=str(missing)):
        check_tls(replace(DEFAULTS, tls_cert=missing, tls_key=missing))


def witnessed(*flags: str) -> dict[str, str]:
    """Return where each setting comes from when a command is called with ``flags``."""
    witness = Witness()
    app = App(config=(*SOURCES, witness), result_action="return_value")
    found: list[Settings] = []

    @app.default
    def keep(*, settings: Annotated[Settings, Parameter(name="*")] = DEFAULTS) -> None:
        found.append(settings)

    app(list(flags))
    return {one.name: one.source for one in explained(found[0], witness)}


def test_every_setting_says_where_it_comes_from(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (nowhere / "parley.toml").write_text('port = 1001\nlog-level = "error"\n')
    monkeypatch.setenv("PARLEY_STORE", "memory")
    monkeypatch.setenv("PARLEY_PORT", "1002")
    origins = witnessed("--host", "::1")
    assert origins == {
        **dict.fromkeys(origins, "default"),
        "host": "--host",
        "store": "PARLEY_STORE",
        "port": "PARLEY_PORT",
        "log_level": str(nowhere / "parley.toml"),
    }


def test_every_setting_has_a_variable_of_its_name_and_words() -> None:
    explanations = explained(DEFAULTS, Witness())
    assert all(one.help.endswith(".") for one in explanations)
    hints = get_type_hints(Settings, include_extras=True)
    for one in explanations:
        (parameter,) = [p for p in hints[one.name].__metadata__ if isinstance(p, Parameter)]
        assert parameter.env_var == (f"PARLEY_{one.name.upper()}",)


def test_the_file_speaks_of_settings_alone(nowhere: Path) -> None:
    app = App(config=SOURCES, result_action="return_value")

    @app.default
    def keep(
        *, name: str = "", settings: Annotated[Settings, Parameter(name="*")] = DEFAULTS
    ) -> str:
        return f"{name}{settings.port}"

    (nowhere / "parley.toml").write_text("port = 7\n")
    assert app([]) == "7"
    (nowhere / "parley.toml").write_text('port = 7\nname = "x"\n')
    with pytest.raises(SystemExit):
        app([])
