"""The table of metrics, and what a node exposes of it."""

import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from engine.engine import Engine
from gateway.api import APIS
from gateway.fanout.switchboard import Switchboard
from gateway.metrics.exposition import Exposition
from gateway.metrics.reading import Sources
from gateway.metrics.requests import OTHER_METHOD, RequestTally
from gateway.metrics.table import METRICS, Histogram, Metric
from persistence.memory.store import MemoryStores

BOUNDED_LABELS = {
    *("route", "method", "status", "code"),
    *("environment", "outcome", "subprotocol", "media_type", "version"),
    "consumer",
}
BY_NAME = pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)


def sources() -> Sources:
    engine = Engine(MemoryStores(), master_key=bytes(32))
    return Sources(version="1.2.3", engine=engine, switchboard=Switchboard())


async def test_every_metric_of_the_table_is_exposed_and_no_other() -> None:
    text = Exposition(sources()).text().decode()
    exposed = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    assert exposed == {metric.name: metric.kind for metric in METRICS}
    told = dict(re.findall(r"^# HELP (\S+) (.+)$", text, re.MULTILINE))
    assert told == {metric.name: metric.help for metric in METRICS}


@BY_NAME
def test_names_follow_the_habits_of_prometheus(metric: Metric) -> None:
    assert re.fullmatch(r"(parley|process)_[a-z_]+", metric.name)
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    if metric.unit in {"seconds", "bytes"}:
        assert metric.unit in metric.name
    assert metric.help.endswith(".")


@BY_NAME
def test_no_label_can_grow_without_bound(metric: Metric) -> None:
    assert set(metric.labels) <= BOUNDED_LABELS


@BY_NAME
def test_buckets_belong_to_histograms_and_rise(metric: Metric) -> None:
    assert isinstance(metric, Histogram) == (metric.kind == "histogram")
    if isinstance(metric, Histogram):
        assert list(metric.buckets) == sorted(set(metric.buckets))


def test_no_metric_stands_twice() -> None:
    names = [metric.name for metric in METRICS]
    assert sorted(names) == sorted(set(names))


async def test_two_nodes_in_one_process_count_apart() -> None:
    one, other = sources(), sources()
    one.requests.answered("index", "GET", 200, 0.002)
    one.switchboard.sessions.counts["parley.v1+json"] += 2
    assert values(Exposition(one), "parley_websockets") == {("parley.v1+json",): 2.0}
    assert values(Exposition(other), "parley_websockets") == {}
    assert 'route="index"' in Exposition(one).text().decode()
    assert 'route="index"' not in Exposition(other).text().decode()


def test_a_client_cannot_make_a_series() -> None:
    tally = RequestTally()
    for number in range(50):
        tally.answered(APIS[0].routes[0].name, f"METHOD{number}", 405, 0.001)
    assert [key[1] for key in tally.took] == [OTHER_METHOD]


def values(exposition: Exposition, name: str) -> dict[tuple[str, ...], float]:
    families = text_string_to_metric_families(exposition.text().decode())
    return {
        tuple(sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
        if sample.name == name
    }
