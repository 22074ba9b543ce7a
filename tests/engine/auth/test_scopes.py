"""Scopes are handed on, never widened."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.auth.scopes import (
    ENVIRONMENT_SCOPES,
    SCOPES,
    UNDELEGABLE,
    WORKSPACE_SCOPES,
    check_delegated,
)
from engine.errors import ScopeError

SOME = st.sets(st.sampled_from(sorted(SCOPES)))


@given(SOME, SOME)
def test_what_is_handed_on_is_never_wider_than_the_parent(
    wanted: set[str], parent: set[str]
) -> None:
    if wanted and wanted <= parent - UNDELEGABLE:
        assert check_delegated(wanted, parent=frozenset(parent)) == wanted
        return
    with pytest.raises(ScopeError):
        check_delegated(wanted, parent=frozenset(parent))


@pytest.mark.parametrize(
    ("wanted", "codes"),
    [
        ([], []),
        (["conversation:delete"], ["unknown_scope"]),
        (["conversation"], ["unknown_scope"]),
        (["*"], ["unknown_scope"]),
        (["admin:write"], ["wider_than_parent"]),
        (["auth:write"], ["not_delegable"]),
        (["auth:write", "no", "conversation:read"], ["not_delegable", "unknown_scope"]),
    ],
)
def test_each_refused_scope_says_why(wanted: list[str], codes: list[str]) -> None:
    with pytest.raises(ScopeError) as refused:
        check_delegated(wanted, parent=ENVIRONMENT_SCOPES)
    assert [error.code for error in refused.value.errors] == codes


def test_a_scope_asked_for_twice_is_one() -> None:
    twice = ["conversation:read", "conversation:read"]
    assert check_delegated(twice, parent=ENVIRONMENT_SCOPES) == {"conversation:read"}


def test_a_workspace_and_its_environments_share_no_scope() -> None:
    assert ENVIRONMENT_SCOPES.isdisjoint(WORKSPACE_SCOPES)
