"""One environment of one workspace: its log, its actors, its bus and the doors of its features."""

import time

import trio

from engine import crypto
from engine.actor.registry import Registry
from engine.actor.snapshots import Snapshots
from engine.actor.watchdog import Watchdog
from engine.admin import transitions as erased_subject
from engine.admin.events import EVENTS as ADMIN_EVENTS
from engine.admin.service import Erasures
from engine.auth import transitions as credential
from engine.auth import workspace as workspace_rules
from engine.auth.events import EVENTS as AUTH_EVENTS
from engine.auth.service import EphemeralKeys, KeyMaker
from engine.bus.bus import Bus
from engine.bus.consumer import Consumer
from engine.bus.rules import ViewRules
from engine.clock.clock import EnvironmentClock
from engine.conversation import accounts, contact, listing, marks
from engine.conversation import transitions as conversation_rules
from engine.conversation.events import EVENTS as CONVERSATION_EVENTS
from engine.conversation.service import (
    Asking,
    Changing,
    Conversations,
    Editing,
    Listing,
    Marks,
    Messages,
)
from engine.events.events import EVENTS as EVENTS_EVENTS
from engine.events.service import Positions
from engine.feature import Feature, catalogue, kinds_in, views_in
from engine.ids import ExternalIds, Veil
from engine.log.keyring import Keyring
from engine.log.log import Log
from persistence.protocols.ledger import Ledger
from persistence.protocols.store import Store
from persistence.protocols.views import Views

FEATURES = (
    Feature(
        "auth",
        AUTH_EVENTS,
        kinds=(credential.KIND, workspace_rules.KIND),
        environments=("workspace",),
    ),
    Feature("events", EVENTS_EVENTS),
    Feature(
        "conversation",
        CONVERSATION_EVENTS,
        kinds=(conversation_rules.KIND, contact.KIND, marks.KIND),
        views=(listing.RULES, accounts.RULES),
    ),
    Feature("admin", ADMIN_EVENTS, kinds=(erased_subject.KIND,)),
)
CATALOGUE = catalogue(FEATURES)
KINDS = {name: kinds_in(name, FEATURES) for name in ("workspace", "live", "test")}
VIEWS = {name: views_in(name, FEATURES) for name in KINDS}


def wall_ms() -> int:
    """Return the machine's time in Unix milliseconds."""
    return time.time_ns() // 1_000_000


class Environment:
    """Everything that shares one log. The engine makes it, when its store is running."""

    def __init__(
        self,
        workspace: str,
        name: str,
        store: Store,
        *,
        workspace_key: bytes,
        watchdog: Watchdog,
    ) -> None:
        """Derive this environment's keys from ``workspace_key`` and put its parts together."""
        self.workspace = workspace
        self.name = name
        self._key = crypto.derive(workspace_key, "environment", name)
        self.clock = EnvironmentClock(wall_ms)
        keyring = Keyring(store.subject_keys, wrapping_key=self._purpose("subject keys"))
        full_name = f"{workspace}/{name}"
        self.log = Log(
            store.log,
            store.feed,
            keyring=keyring,
            environment=full_name,
            catalogue=CATALOGUE,
            cursor_key=self._purpose("cursors"),
        )
        self.bus = Bus(store.feed, self.log)
        snapshots = Snapshots(store.snapshots, keyring=keyring, environment=full_name)
        self.registry = Registry(
            KINDS[name],
            self.log,
            snapshots=snapshots,
            watchdog=watchdog,
            now_ms=self.clock.now_ms,
        )
        self.external_ids = ExternalIds(self._purpose("external ids"))
        self.veil = Veil(self._purpose("views"))
        self.consumers = {
            rules.declaration.name: self._consumer(rules, store.views) for rules in VIEWS[name]
        }
        self.positions = Positions(self.log, self.clock.now_ms)
        asking = Asking(self.registry, self.external_ids)
        self.conversations = Conversations(asking, self.log)
        self.listing = Listing(asking, self.log, self.consumers, self.veil)
        self.messages = Messages(self.log)
        self.changing = Changing(asking, self.log, store.documents, now_ms=self.clock.now_ms)
        self.editing = Editing(asking, self.messages)
        self.marks = Marks(asking, self.conversations)
        self.keys = KeyMaker(self.registry)
        self.ephemeral_keys = EphemeralKeys(
            workspace=workspace,
            environment=name,
            key=self._purpose("ephemeral keys"),
            documents=store.documents,
            now_ms=self.clock.now_ms,
        )
        self.erasures = self._erasures(store.ledger)
        self.erasures.when_erased(lambda subject: self._forget(asking, subject))

    def _erasures(self, ledger: Ledger) -> Erasures:
        return Erasures(
            self.log,
            self.registry,
            ledger,
            self.external_ids,
            key=self._purpose("erasures"),
            now_ms=self.clock.now_ms,
        )

    def _consumer(self, rules: ViewRules, views: Views) -> Consumer:
        return Consumer(
            rules,
            log=self.log,
            bus=self.bus,
            views=views,
            veil=self.veil,
            now_ms=self.clock.now_ms,
        )

    @property
    def page_key(self) -> bytes:
        """Return the key page tokens are signed with."""
        return self._purpose("page tokens")

    async def start(self, nursery: trio.Nursery) -> None:
        """Go on from the newest record's time, and let the actors run in ``nursery``.

        Whoever was being erased when the last process ended is erased before anybody reads.
        """
        await self.erasures.start()
        self.clock.advance_to(await self.log.last_time_ms())
        await nursery.start(self.registry.run)
        await nursery.start(self.marks.run)
        for consumer in self.consumers.values():
            await nursery.start(consumer.run)
        await self.erasures.go_on()

    def _forget(self, asking: Asking, subject: str) -> None:
        """Keep nothing in memory that was read with a key that is used no more."""
        self.registry.renew()
        asking.forget_contact(subject)
        self.external_ids.forget()

    def _purpose(self, purpose: str) -> bytes:
        return crypto.derive(self._key, purpose)
