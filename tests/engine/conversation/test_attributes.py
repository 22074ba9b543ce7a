"""Attributes are merged deeply (RFC 7396), and what differs in JSON is different."""

from typing import Any

import pytest
from hypothesis import given as over
from hypothesis import strategies as st

from engine.conversation.changing import merged
from engine.conversation.commands import Changes
from engine.conversation.events import ConversationUpdated
from engine.conversation.transitions import decide
from tests.support.conversations import CREATED, changing, done, given, said

RFC_7396: list[tuple[Any, Any, Any]] = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("before", "patch", "after"), RFC_7396)
def test_a_patch_is_merged_as_the_examples_of_the_rfc_are(
    before: Any, patch: Any, after: Any
) -> None:
    assert merged(before, patch) == after


def test_a_nested_value_is_set_and_removed_by_itself() -> None:
    state = given(CREATED, said())
    done(state, changing(Changes(attributes={"order": {"id": 7, "paid": False}, "plan": "pro"})))
    (event,) = done(state, changing(Changes(attributes={"order": {"paid": None, "sum": 12}})))
    assert isinstance(event, ConversationUpdated)
    assert event.changes == {"attributes": {"order": {"paid": None, "sum": 12}}}
    assert event.previous == {"attributes": {"order": {"id": 7, "paid": False}}}
    assert state.attributes == {"order": {"id": 7, "sum": 12}, "plan": "pro"}


SAME_IN_PYTHON: list[tuple[Any, Any]] = [
    (1, True),
    (0, False),
    (1, 1.0),
    ([1], [True]),
    ({"a": 0}, {"a": False}),
]


@pytest.mark.parametrize(("before", "after"), SAME_IN_PYTHON)
def test_a_number_and_a_truth_value_are_different_values(before: Any, after: Any) -> None:
    assert before == after
    state = given(CREATED, said())
    done(state, changing(Changes(attributes={"a": before})))
    (event,) = done(state, changing(Changes(attributes={"a": after})))
    assert isinstance(event, ConversationUpdated)
    assert repr(state.attributes) == repr({"a": after})
    assert decide(state, changing(Changes(attributes={"a": after}))) == ()


def test_the_order_of_names_is_no_difference() -> None:
    state = given(CREATED, said())
    one, other = {"x": 1, "y": 2}, {"y": 2, "x": 1}
    done(state, changing(Changes(attributes={"a": one, "b": [one]})))
    assert decide(state, changing(Changes(attributes={"b": [other], "a": other}))) == ()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from("xy"),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=6,
)
OBJECTS = st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)


@over(OBJECTS, OBJECTS)
def test_a_patch_said_twice_is_no_news_and_an_event_folds_to_what_was_decided(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    state = given(CREATED, said())
    for patch in (first, second):
        expected = merged(state.attributes, patch)
        done(state, changing(Changes(attributes=patch)))
        assert repr(sorted(state.attributes.items())) == repr(sorted(expected.items()))
        assert decide(state, changing(Changes(attributes=patch))) == ()
