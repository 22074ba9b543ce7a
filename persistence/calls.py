"""Receipts and listeners: calls that are all made, whatever one of them raises."""

from collections.abc import Callable, Iterable
from typing import Any

Call = tuple[Callable[[Any], Any], Any]
"""A function and its one argument."""


def call_each(calls: Iterable[Call]) -> None:
    """Make every call, in order, even if one before raised.

    Raises:
        BaseException: what a call has raised, once all are made.
        BaseExceptionGroup: several have; in the order of their calls.
    """
    failures: list[BaseException] = []
    for function, argument in calls:
        try:
            function(argument)
        except BaseException as failure:  # noqa: ASYNC103, BLE001 - raised below
            failures.append(failure)
    if len(failures) == 1:
        raise failures[0]
    if failures:
        message = "several of those who were told have failed"
        raise BaseExceptionGroup(message, failures)
