"""The metrics of one node as text, for Prometheus to scrape."""

from collections.abc import Iterable, Iterator
from math import inf

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from gateway.metrics.reading import Reading, Sources, read
from gateway.metrics.table import METRICS, Histogram, ReadMetric

MEDIA_TYPE = "text/plain; version=0.0.4"
CONTENT_TYPE = f"{MEDIA_TYPE}; charset=utf-8"


class TableCollector(Collector):
    """Reads every metric of the table when it is asked."""

    def __init__(self, sources: Sources) -> None:
        """Read ``sources``, nothing of them yet."""
        self._sources = sources

    def describe(self) -> Iterable[Family]:
        """Return nothing: the names of the table are known to be different without a reading."""
        return ()

    def collect(self) -> Iterator[Family]:
        """Yield a family for every metric that is read here."""
        reading = read(self._sources)
        for metric in METRICS:
            if isinstance(metric, Histogram):
                yield _histogram(metric, reading)
            elif isinstance(metric, ReadMetric):
                yield _values(metric, reading)


class Exposition:
    """The text of one node's metrics, out of a registry of its own."""

    def __init__(self, sources: Sources) -> None:
        """Register what is read: the table over ``sources``, and the process."""
        self.sources = sources
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(TableCollector(sources))
        ProcessCollector(registry=self._registry)

    def text(self) -> bytes:
        """Return every metric as it is now; the loop is watched from the first time on."""
        self.sources.loop.watch()
        return generate_latest(self._registry)


def _values(metric: ReadMetric, reading: Reading) -> Family:
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = kind(metric.name, metric.help, labels=metric.labels)
    for labels, value in metric.read(reading):
        family.add_metric(labels, value)
    return family


def _histogram(metric: Histogram, reading: Reading) -> Family:
    family = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
    for labels, taken in metric.read(reading):
        buckets = [(_bound(bound), count) for bound, count in taken.cumulative()]
        family.add_metric(labels, buckets, taken.sum)
    return family


def _bound(bound: float) -> str:
    return "+Inf" if bound == inf else str(bound)
