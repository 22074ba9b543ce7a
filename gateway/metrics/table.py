"""Every metric, in one table: the exposition and its page in the reference are made from it.

Labels are bounded by what this house declares (routes, problem codes, kinds of environments,
subprotocols, media types); an id of a tenant, a key or a conversation is never one.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from gateway.fanout.switchboard import Sessions
from gateway.metrics.buckets import COMMIT_RECORDS, COMMIT_SECONDS, LAG_SECONDS, REQUEST_SECONDS
from gateway.metrics.distribution import Distribution
from gateway.metrics.reading import ConsumerFigures, EnvironmentFigures, Reading

Kind = Literal["counter", "gauge", "histogram"]
Values = Iterable[tuple[tuple[str, ...], float]]
Distributions = Iterable[tuple[tuple[str, ...], Distribution]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One figure of the process; the library reads those of this class from /proc by itself."""

    name: str
    """As it is exposed; a counter ends in ``_total``."""
    kind: Kind
    unit: str
    help: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadMetric(Metric):
    """A counter or a gauge whose values are read when the metrics are asked for."""

    read: Callable[[Reading], Values]


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram(Metric):
    """A histogram: every value was counted when it came."""

    buckets: tuple[float, ...]
    read: Callable[[Reading], Distributions]


def _sorted(sessions: Sessions) -> Values:
    return [((name,), count) for name, count in sorted(sessions.counts.items())]


def _connections(reading: Reading) -> Values:
    count = reading.sources.connections.count
    return () if count is None else (((), count),)


def _by_environment(
    figure: Callable[[EnvironmentFigures], int],
) -> Callable[[Reading], Values]:
    def read(reading: Reading) -> Iterator[tuple[tuple[str, ...], float]]:
        for name, figures in sorted(reading.environments.items()):
            yield (name,), figure(figures)

    return read


def _by_consumer(figure: Callable[[ConsumerFigures], float]) -> Callable[[Reading], Values]:
    def read(reading: Reading) -> Iterator[tuple[tuple[str, ...], float]]:
        for labels, figures in sorted(reading.consumers.items()):
            yield labels, figure(figures)

    return read


def _commits(reading: Reading) -> Values:
    for name, commits in sorted(reading.sources.commits.by_environment.items()):
        yield (name, "committed"), commits.seconds.count
        yield (name, "failed"), commits.failed


def _commit_seconds(reading: Reading) -> Distributions:
    for name, commits in sorted(reading.sources.commits.by_environment.items()):
        yield (name,), commits.seconds


def _commit_records(reading: Reading) -> Distributions:
    for name, commits in sorted(reading.sources.commits.by_environment.items()):
        yield (name,), commits.records


_HTTP: tuple[Metric, ...] = (
    Histogram(
        name="parley_http_request_seconds",
        kind="histogram",
        unit="seconds",
        help="From the head of a request to the head of its answer, inside the server.",
        labels=("route", "method", "status"),
        buckets=REQUEST_SECONDS,
        read=lambda reading: sorted(
            reading.sources.requests.took.items(), key=lambda entry: entry[0]
        ),
    ),
    ReadMetric(
        name="parley_http_request_errors_total",
        kind="counter",
        unit="requests",
        help="Requests that were answered with a problem.",
        labels=("route", "code"),
        read=lambda reading: sorted(reading.sources.requests.refused.items()),
    ),
    ReadMetric(
        name="parley_http_requests_in_flight",
        kind="gauge",
        unit="requests",
        help="Requests whose answer has not begun, this one among them.",
        read=lambda reading: [((), reading.sources.requests.in_flight)],
    ),
    ReadMetric(
        name="parley_connections",
        kind="gauge",
        unit="connections",
        help="Open TCP connections, WebSockets among them; absent behind a foreign server.",
        read=_connections,
    ),
    ReadMetric(
        name="parley_websockets",
        kind="gauge",
        unit="connections",
        help="Open WebSockets.",
        labels=("subprotocol",),
        read=lambda reading: _sorted(reading.sources.switchboard.sessions),
    ),
    ReadMetric(
        name="parley_streams",
        kind="gauge",
        unit="answers",
        help="Open SSE and NDJSON answers.",
        labels=("media_type",),
        read=lambda reading: _sorted(reading.sources.switchboard.streams),
    ),
)

_ENGINE: tuple[Metric, ...] = (
    ReadMetric(
        name="parley_environments",
        kind="gauge",
        unit="environments",
        help="Open environments; each is opened when it is first used.",
        labels=("environment",),
        read=_by_environment(lambda figures: figures.count),
    ),
    ReadMetric(
        name="parley_actors",
        kind="gauge",
        unit="actors",
        help="Actors in memory.",
        labels=("environment",),
        read=_by_environment(lambda figures: figures.actors),
    ),
    ReadMetric(
        name="parley_parked_streams",
        kind="gauge",
        unit="streams",
        help="Streams whose commands are refused for a while: their actors failed again and again.",
        labels=("environment",),
        read=_by_environment(lambda figures: figures.parked),
    ),
    ReadMetric(
        name="parley_actor_failures_total",
        kind="counter",
        unit="actors",
        help="Actors that a failure has ended; each is logged with its reason.",
        labels=("environment",),
        read=_by_environment(lambda figures: figures.failures),
    ),
    ReadMetric(
        name="parley_mailbox_commands",
        kind="gauge",
        unit="commands",
        help="Commands that wait in all mailboxes.",
        labels=("environment",),
        read=_by_environment(lambda figures: figures.commands),
    ),
    ReadMetric(
        name="parley_mailbox_bytes",
        kind="gauge",
        unit="bytes",
        help="Bytes of the commands that wait in all mailboxes.",
        labels=("environment",),
        read=_by_environment(lambda figures: figures.bytes),
    ),
    ReadMetric(
        name="parley_mailbox_deepest_commands",
        kind="gauge",
        unit="commands",
        help="Commands that wait in the mailbox with the most of them.",
        labels=("environment",),
        read=_by_environment(lambda figures: figures.deepest_commands),
    ),
    ReadMetric(
        name="parley_mailbox_deepest_bytes",
        kind="gauge",
        unit="bytes",
        help="Bytes that wait in the mailbox with the most of them.",
        labels=("environment",),
        read=_by_environment(lambda figures: figures.deepest_bytes),
    ),
    Histogram(
        name="parley_loop_lag_seconds",
        kind="histogram",
        unit="seconds",
        help="How late a timer of the loop was, by a look every 50 ms since the first scrape.",
        buckets=LAG_SECONDS,
        read=lambda reading: [((), reading.sources.loop.late)],
    ),
)

_LOG: tuple[Metric, ...] = (
    ReadMetric(
        name="parley_log_commits_total",
        kind="counter",
        unit="commits",
        help="Commits that the disk has answered; `sqlite` only.",
        labels=("environment", "outcome"),
        read=_commits,
    ),
    Histogram(
        name="parley_log_commit_seconds",
        kind="histogram",
        unit="seconds",
        help="How long a commit took, from its first row until it was synced; `sqlite` only.",
        labels=("environment",),
        buckets=COMMIT_SECONDS,
        read=_commit_seconds,
    ),
    Histogram(
        name="parley_log_commit_records",
        kind="histogram",
        unit="records",
        help="Records that shared one commit; `sqlite` only.",
        labels=("environment",),
        buckets=COMMIT_RECORDS,
        read=_commit_records,
    ),
    ReadMetric(
        name="parley_log_records_waiting",
        kind="gauge",
        unit="records",
        help="Records that are not on disk yet; `sqlite` only.",
        labels=("environment",),
        read=lambda reading: [
            ((name,), count) for name, count in sorted(reading.sources.records_waiting().items())
        ],
    ),
    ReadMetric(
        name="parley_log_position",
        kind="gauge",
        unit="records",
        help="Committed records: the positions of all open environments, added up.",
        labels=("environment",),
        read=_by_environment(lambda figures: figures.position),
    ),
)

_CONSUMERS: tuple[Metric, ...] = (
    ReadMetric(
        name="parley_consumer_lag_positions",
        kind="gauge",
        unit="records",
        help="Committed records that a consumer has not folded into its view, added up.",
        labels=("environment", "consumer"),
        read=_by_consumer(lambda figures: figures.lag),
    ),
    ReadMetric(
        name="parley_consumer_lag_seconds",
        kind="gauge",
        unit="seconds",
        help="How old the oldest record is that a consumer has not folded, where it is oldest.",
        labels=("environment", "consumer"),
        read=_by_consumer(lambda figures: figures.lag_seconds),
    ),
    ReadMetric(
        name="parley_consumer_stopped",
        kind="gauge",
        unit="consumers",
        help="Consumers that a failure has stopped; each is logged with its reason.",
        labels=("environment", "consumer"),
        read=_by_consumer(lambda figures: figures.stopped),
    ),
)

_PROCESS: tuple[Metric, ...] = (
    ReadMetric(
        name="parley_build_info",
        kind="gauge",
        unit="",
        help="Always 1; the label says what runs.",
        labels=("version",),
        read=lambda reading: [((reading.sources.version,), 1)],
    ),
    Metric(
        name="process_cpu_seconds_total",
        kind="counter",
        unit="seconds",
        help="Total user and system CPU time spent in seconds.",
    ),
    Metric(
        name="process_resident_memory_bytes",
        kind="gauge",
        unit="bytes",
        help="Resident memory size in bytes.",
    ),
    Metric(
        name="process_virtual_memory_bytes",
        kind="gauge",
        unit="bytes",
        help="Virtual memory size in bytes.",
    ),
    Metric(
        name="process_start_time_seconds",
        kind="gauge",
        unit="seconds",
        help="Start time of the process since unix epoch in seconds.",
    ),
    Metric(
        name="process_open_fds",
        kind="gauge",
        unit="descriptors",
        help="Number of open file descriptors.",
    ),
    Metric(
        name="process_max_fds",
        kind="gauge",
        unit="descriptors",
        help="Maximum number of open file descriptors.",
    ),
)

METRICS = _HTTP + _ENGINE + _LOG + _CONSUMERS + _PROCESS
