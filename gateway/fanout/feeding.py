"""Feeds one client from the log, at its own pace, while it lags (shell).

One task a client, and only as long as one of its subscriptions is not live: its memory is one page.
"""

import logging

from engine.errand import Errands, in_task
from engine.errors import ParleyError
from gateway.fanout.outlet import ClosedOutletError, Outlet
from gateway.fanout.subscription import Subscription

LOG = logging.getLogger("parley.realtime")


class LogFeeder:
    """The lagging subscriptions of one client, fed in turn."""

    __slots__ = ("_errands", "_lagging", "_outlet", "_under_way")

    def __init__(self, outlet: Outlet, errands: Errands) -> None:
        """Feed the client behind ``outlet``."""
        self._outlet = outlet
        self._errands = errands
        self._lagging: list[Subscription] = []
        self._under_way = False

    def feed(self, subscription: Subscription) -> None:
        """Let a subscription catch up; a second call while it does changes nothing."""
        if subscription not in self._lagging:
            self._lagging.append(subscription)
        if not self._under_way:
            self._under_way = True
            self._errands.begin(self._feed(), self._ended)

    async def _feed(self) -> None:
        await in_task()
        while self._lagging:
            await self._outlet.has_room()
            subscription = self._lagging.pop(0)
            if await subscription.catch_up():
                self._lagging.append(subscription)

    def _ended(self, result: None, error: Exception | None) -> None:
        del result
        self._under_way = False
        if error is None or isinstance(error, ClosedOutletError):
            return
        if not isinstance(error, ParleyError):
            LOG.error("a client could not be fed from the log", exc_info=error)
        self._outlet.fail()
