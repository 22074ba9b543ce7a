"""Calls that are all made, whatever one of them raises."""

import pytest
import trio

from persistence.calls import Call, call_each


def fail(error: BaseException) -> None:
    raise error


def test_every_call_is_made_in_order() -> None:
    heard: list[int] = []
    call_each([(heard.append, 1), (heard.append, 2), (heard.append, 3)])
    assert heard == [1, 2, 3]
    call_each([])


@pytest.mark.parametrize("error", [ValueError("why"), KeyboardInterrupt()])
def test_what_a_call_raises_is_raised_behind_the_others(error: BaseException) -> None:
    heard: list[int] = []
    with pytest.raises(type(error)) as caught:
        call_each([(heard.append, 1), (fail, error), (heard.append, 2)])
    assert caught.value is error
    assert heard == [1, 2]


def test_what_several_raise_is_raised_together() -> None:
    heard: list[int] = []
    errors = [ValueError("one"), trio.ClosedResourceError("two"), ValueError("three")]
    calls: list[Call] = [(fail, error) for error in errors]
    with pytest.raises(ExceptionGroup) as caught:  # noqa: ASYNC401 - their order counts
        call_each([*calls, (heard.append, 1)])
    assert list(caught.value.exceptions) == errors
    assert heard == [1]
