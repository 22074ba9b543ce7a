"""The command line. Each command's work is in the module of its name."""

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter
from cyclopts.validators import Number

from gateway.config import LENIENT_SOURCES, SOURCES, Settings, Witness
from gateway.limits import SEED_CONVERSATIONS_MAX, SEED_MESSAGES_MAX

app = App(
    name="parley",
    help="Self-hosted realtime messaging for support platforms.",
    config=SOURCES,
    version_flags=["--version"],
)
keys = App(name="keys", help="Make tenants and keys, and list them.")
app.command(keys)
views = App(name="views", help="Show the tables that are built from the log; build them anew.")
app.command(views)

AllSettings = Annotated[Settings, Parameter(name="*", group="Settings")]
Json = Annotated[bool, Parameter(help="Print JSON, for programs.", negative="")]
DEFAULTS = Settings()
WITNESS = Witness()


@app.command
def dev(
    *,
    settings: AllSettings = DEFAULTS,
    json: Annotated[bool, Parameter(help="Print one JSON line when ready.", negative="")] = False,
    seed: Annotated[bool, Parameter(help="Begin with a few conversations.")] = True,
) -> int:
    """Start a sandbox on the embedded store and print how to use it."""
    from gateway.cli.dev import run

    return run(settings, json=json, seed=seed)


@app.command
def serve(*, settings: AllSettings = DEFAULTS) -> int:
    """Serve in production: refuses unsafe settings and prints no secret."""
    from gateway.cli.serve import run

    return run(settings)


@app.command
def tail(  # noqa: PLR0913 - the options of a command
    *,
    url: Annotated[
        str | None,
        Parameter(env_var="PARLEY_URL", help="The server. Default: the one on the data folder."),
    ] = None,
    key: Annotated[
        str | None,
        Parameter(
            env_var="PARLEY_KEY",
            help="A key. One given as a flag can be seen in `ps` by everybody on the machine: "
            "prefer the variable, or - to be asked for it. Default: that of the sandbox on the "
            "data folder.",
        ),
    ] = None,
    conversation: Annotated[
        str | None, Parameter(help="Follow one conversation only, by its id.")
    ] = None,
    events: Annotated[
        tuple[str, ...],
        Parameter(help="Event types: message.created, 'message.*'.", consume_multiple=True),
    ] = (),
    since: Annotated[
        str | None,
        Parameter(help="Begin at a position: now-1h, a time, an event id, a cursor, a version."),
    ] = None,
    json: Annotated[bool, Parameter(help="Print each event as JSON.", negative="")] = False,
    settings: AllSettings = DEFAULTS,
) -> int:
    """Follow what happens, live; a lost connection goes on without a gap or a double."""
    from gateway.cli.tail import Wanted, run

    wanted = Wanted(url=url, key=key, conversation=conversation, events=events, since=since)
    return run(settings, wanted, json=json)


@app.command
def seed(  # noqa: PLR0913 - the options of a command
    *,
    rng: Annotated[int, Parameter(help="Which seed: a number gives the same words always.")] = 1,
    conversations: Annotated[
        int,
        Parameter(
            help="How many conversations.", validator=Number(gte=1, lte=SEED_CONVERSATIONS_MAX)
        ),
    ] = 20,
    messages: Annotated[
        int,
        Parameter(
            help="The most messages of one of them.",
            validator=Number(gte=2, lte=SEED_MESSAGES_MAX),
        ),
    ] = 12,
    workspace: Annotated[
        str | None, Parameter(help="Its id; needed when there is more than one.")
    ] = None,
    environment: Annotated[Literal["test", "live"], Parameter(help="Where to write.")] = "test",
    yes: Annotated[bool, Parameter(help="Yes, into live.", negative="")] = False,
    quiet: Annotated[bool, Parameter(help="Say nothing but errors.", negative="")] = False,
    json: Json = False,
    settings: AllSettings = DEFAULTS,
) -> int:
    """Write support conversations to try things on; a second time writes only what is missing."""
    from gateway.cli.seed import run

    arguments: dict[str, object] = {
        "rng": rng,
        "conversations": conversations,
        "messages": messages,
        "workspace": workspace,
        "environment": environment,
        "confirmed": yes,
    }
    return run(settings, arguments, quiet=quiet, json=json)


@keys.command(name="list")
def list_(
    *,
    workspace: Annotated[str | None, Parameter(help="Those of one workspace, by its id.")] = None,
    json: Json = False,
    settings: AllSettings = DEFAULTS,
) -> int:
    """List keys, without their secrets."""
    from gateway.cli.keys import list_keys

    return list_keys(settings, workspace=workspace, json=json)


@keys.command
def create(
    *,
    workspace: Annotated[str, Parameter(help="The id of the workspace.")],
    environment: Annotated[
        Literal["test", "live", "workspace"], Parameter(help="What the key is for.")
    ],
    name: Annotated[str, Parameter(help="What you call the key.")],
    json: Json = False,
    settings: AllSettings = DEFAULTS,
) -> int:
    """Make a key with every scope of its environment, and print it once."""
    from gateway.cli.keys import create_key

    return create_key(settings, workspace=workspace, environment=environment, name=name, json=json)


@keys.command(name="workspace")
def workspace_(
    name: Annotated[str, Parameter(help="What you call the tenant.")],
    /,
    *,
    json: Json = False,
    settings: AllSettings = DEFAULTS,
) -> int:
    """Make a tenant, and print its id and its three keys once."""
    from gateway.cli.keys import create_workspace

    return create_workspace(settings, name=name, json=json)


@keys.command
def rotate_master(
    *,
    new_key_file: Annotated[
        Path, Parameter(help="File with the new key: 32 bytes in base64, mode 0600.")
    ],
    json: Json = False,
    settings: AllSettings = DEFAULTS,
) -> int:
    """Exchange the master key, while the server runs; nothing is sealed anew."""
    from gateway.cli.keys import rotate_master

    return rotate_master(settings, new_key_file=new_key_file, json=json)


OfWorkspace = Annotated[str | None, Parameter(help="Those of one workspace, by its id.")]
OfEnvironment = Annotated[
    Literal["test", "live"] | None, Parameter(help="Those of one environment.")
]


@views.command(name="list")
def list_views_(
    *,
    workspace: OfWorkspace = None,
    environment: OfEnvironment = None,
    json: Json = False,
    settings: AllSettings = DEFAULTS,
) -> int:
    """List views: their schema, how far they have come, and how much they have to fold."""
    from gateway.cli.views import list_views

    arguments: dict[str, object] = {"workspace": workspace, "environment": environment}
    return list_views(settings, arguments, json=json)


@views.command(name="rebuild")
def rebuild_(
    name: Annotated[str | None, Parameter(help="Which view; left out, all of them.")] = None,
    /,
    *,
    workspace: OfWorkspace = None,
    environment: OfEnvironment = None,
    quiet: Annotated[bool, Parameter(help="Say nothing but errors.", negative="")] = False,
    json: Json = False,
    settings: AllSettings = DEFAULTS,
) -> int:
    """Build views anew from the log; those that are there answer until then."""
    from gateway.cli.views import rebuild

    arguments: dict[str, object] = {
        "name": name,
        "workspace": workspace,
        "environment": environment,
    }
    return rebuild(settings, arguments, quiet=quiet, json=json)


@app.command(config=LENIENT_SOURCES)
def doctor(*, json: Json = False, settings: AllSettings = DEFAULTS) -> int:
    """Check the machine, the folder and the settings, and say what to do."""
    from gateway.cli.doctor import run

    return run(settings, json=json)


@app.command(name="config", config=(*SOURCES, WITNESS))
def config_(*, json: Json = False, settings: AllSettings = DEFAULTS) -> int:
    """Print every setting, and where its value comes from."""
    from gateway.cli.config import run

    return run(settings, WITNESS, json=json)


def main() -> None:
    """Run the command that argv names, and exit with its status."""
    sys.exit(app(result_action="return_value"))
