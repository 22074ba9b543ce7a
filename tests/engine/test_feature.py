"""Features: one list says which events are known and which actors live where."""

from dataclasses import replace
from typing import ClassVar

import pytest

from engine.environment import CATALOGUE, FEATURES, KINDS
from engine.feature import Feature, Payload, catalogue, kinds_in
from tests.support.tallies import TALLY, Counted


class CountedElsewhere(Payload, frozen=True):
    """Another event by the name of one that is known."""

    type_name: ClassVar[str] = Counted.type_name


def test_the_events_of_all_features_are_known() -> None:
    assert set(CATALOGUE.values()) == {event for feature in FEATURES for event in feature.events}


def test_actors_live_in_the_environments_of_their_feature_and_no_other() -> None:
    assert set(KINDS["workspace"]) == {"credential", "workspace"}
    assert set(KINDS["live"]) == set(KINDS["test"])
    assert set(KINDS["live"]) == {"conversation", "contact", "marks", "subject"}
    assert {kind for kinds in KINDS.values() for kind in kinds.values()} == {
        kind for feature in FEATURES for kind in feature.kinds
    }


def test_two_features_do_not_publish_one_type() -> None:
    features = (Feature("one", (Counted,)), Feature("two", (CountedElsewhere,)))
    assert catalogue(features[:1]) == {Counted.type_name: Counted}
    with pytest.raises(ValueError, match=Counted.type_name):
        catalogue(features)


def test_two_features_do_not_have_actors_of_one_name_in_one_environment() -> None:
    one = Feature("one", (), kinds=(TALLY,))
    other = Feature("two", (), kinds=(replace(TALLY),))
    assert kinds_in("live", (one, replace(other, environments=("test",)))) == {"tally": TALLY}
    with pytest.raises(ValueError, match="tally"):
        kinds_in("live", (one, other))
