"""Who asks, with everything it may reach: made once a credential, and asked for at every door."""

from collections import OrderedDict
from dataclasses import dataclass, field

from engine import ids
from engine.engine import Engine
from engine.environment import Environment
from engine.principal import Principal
from gateway.fanout.hub import Hub
from gateway.fanout.switchboard import Switchboard
from gateway.http.authenticate import check_environment
from gateway.metrics.exposition import Exposition

CALLERS_REMEMBERED = 4_096
"""Callers that are not put together anew for each of their requests and sockets, 0.5 KiB each."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and the environment it asks."""

    principal: Principal
    environment: Environment
    credential: str = field(repr=False)
    hub: Hub = field(repr=False)
    switchboard: Switchboard = field(repr=False)

    def sees_as(self, environment: Environment, contact_id: str) -> bool:
        """Say whether what it may see there may be so by a customer, its own or its account's."""
        principal = self.principal
        if principal.staff or self.environment is not environment:
            return False
        own_id, _ = environment.external_ids.resolve(ids.USER, principal.subject)
        return principal.account is not None or own_id == contact_id


@dataclass(frozen=True, slots=True)
class Operator(Caller):
    """Who asks for something of the whole node, with what an operator may see of it."""

    exposition: Exposition
    engine: Engine = field(repr=False)


class Callers:
    """Finds out who a credential stands for."""

    def __init__(self, engine: Engine, switchboard: Switchboard, exposition: Exposition) -> None:
        """Ask ``engine``; callers are fed by ``switchboard``, operators see ``exposition``."""
        self._engine = engine
        self._switchboard = switchboard
        self._exposition = exposition
        self._known: OrderedDict[str, Caller] = OrderedDict()
        """By credential, which is looked up anew every time: a key that has ended is none here."""

    async def of(self, credential: str) -> Caller:
        """Return who a credential stands for, with its environment.

        Raises:
            UnauthenticatedError: it is not known, or not alive.
            ForbiddenError: an admin key.
        """
        principal = await self._engine.authenticate(credential)
        check_environment(principal)
        return await self._put_together(principal, credential)

    async def operator(self, credential: str, scopes: tuple[str, ...]) -> Operator:
        """Return who a credential stands for, to act on the whole node or workspace.

        Raises:
            UnauthenticatedError: it is not known, or not alive.
            ScopeError: it lacks one of ``scopes``, which admin keys alone may have.
        """
        principal = await self._engine.authenticate(credential)
        principal.require(scopes)
        found = await self._put_together(principal, credential)
        return Operator(
            found.principal,
            found.environment,
            found.credential,
            found.hub,
            found.switchboard,
            exposition=self._exposition,
            engine=self._engine,
        )

    async def _put_together(self, principal: Principal, credential: str) -> Caller:
        known = self._known.get(credential)
        if known is not None and known.principal == principal:
            self._known.move_to_end(credential)
            return known
        environment = await self._engine.environment(principal.workspace, principal.environment)
        hub = self._switchboard.hubs.of(principal.workspace, principal.environment)
        found = Caller(principal, environment, credential, hub, self._switchboard)
        self._known[credential] = found
        if len(self._known) > CALLERS_REMEMBERED:
            self._known.popitem(last=False)
        return found
