"""A conversation that comes back from a snapshot knows what a full replay knows."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked

from engine.actor import registry, rehydration
from engine.actor.actor import Actor
from engine.actor.outcome import Accepted, Origin, Query
from engine.actor.registry import Registry
from engine.actor.snapshots import Snapshots
from engine.actor.watchdog import Watchdog
from engine.conversation import marks, transitions
from engine.conversation.commands import AdvanceMark, AnyCommand, CreateConversation
from engine.conversation.state import ConversationState
from engine.environment import KINDS, Environment
from engine.errors import ParleyError
from persistence.memory import MemoryStores
from persistence.protocols.store import Store
from persistence.records import Stream
from tests.engine.conversation.test_histories import PEOPLE, STEPS, World, contact_of
from tests.support.conversations import CONVERSATION, CUSTOMER, CUSTOMER_CONTACT, STAFF
from tests.support.disks import running

TALK = Stream("conversation", CONVERSATION)
MARKS = Stream("marks", CONVERSATION)
ELSEWHERE = Stream("contact", "usr_of_nobody")
NOW_MS = 1_700_000_000_000
CREATE = CreateConversation(
    viewer=STAFF, external_id="conv_123", requester=CUSTOMER, contact_id=CUSTOMER_CONTACT
)
KEYS = st.one_of(st.none(), st.integers(0, 9).map(lambda number: b"%016d" % number))


class Played:
    """One environment in memory, and what its conversation was told."""

    def __init__(self, store: Store) -> None:
        self.log = Environment(
            "acme", "live", store, workspace_key=bytes(32), watchdog=Watchdog()
        ).log
        self.snapshots = self.snapshots_in(store)
        self.registry = Registry(
            KINDS["live"],
            self.log,
            snapshots=self.snapshots,
            watchdog=Watchdog(),
            now_ms=lambda: NOW_MS,
            live_actors_max=1,
        )
        self.fruitless: set[bytes] = set()
        """Keys of commands that caused no event: the log cannot tell of them."""
        self.world = World(state=ConversationState(CONVERSATION))

    async def ask(self, stream: Stream, command: Any, key: bytes | None) -> None:
        origin = Origin("key_1", key, b"body".ljust(16))
        try:
            outcome = await self.registry.ask(stream, command, origin)
        except ParleyError:
            return
        if isinstance(outcome, Accepted):
            self.world.events += [one for one in outcome.events if one.stream == TALK]
            if key is not None and not outcome.events:
                self.fruitless.add(key)

    async def let_go(self) -> None:
        """Use another stream, so that the actor goes and leaves a snapshot."""
        await self.registry.ask(ELSEWHERE, Query(lambda _: None), Origin("key_1"))
        await wait_all_tasks_blocked()

    def snapshots_in(self, store: Store) -> Snapshots:
        return Snapshots(store.snapshots, keyring=self.log.keyring, environment="acme/live")

    async def back(self, stream: Stream, snapshots: Snapshots) -> Actor:
        """Return a new actor of ``stream``, as it comes back."""
        kind = transitions.KIND if stream.kind == "conversation" else marks.KIND
        actor = Actor(stream, kind, self.log, lambda: NOW_MS)
        await rehydration.rehydrate(actor, self.log, snapshots)
        return actor

    async def assert_back(self, stream: Stream, empty: Store) -> None:
        """Compare who comes back by the snapshot with who replays everything."""
        quick = await self.back(stream, self.snapshots)
        full = await self.back(stream, self.snapshots_in(empty))
        known = await self.snapshots.find(stream, quick.kind)
        assert (quick.kept, full.kept) == (known.version if known else 0, 0)
        assert self.known_by(quick) == self.known_by(full)

    def known_by(self, actor: Actor) -> tuple[Any, ...]:
        """Return all an actor knows, in its order, but for what no log can tell."""
        capture = actor.capture()
        assert capture is not None
        keys = msgspec.msgpack.decode(capture.keys, type=dict[bytes, Any])
        told = [(key, event) for key, event in keys.items() if key not in self.fruitless]
        return capture.version, capture.event_id, capture.subject, capture.state, told


def play(scene: Callable[[Played, Store], Awaitable[None]]) -> None:
    """Run ``scene`` with a store of its own, and one that stays empty."""

    async def run() -> None:
        stores = MemoryStores()
        await stores.open()
        async with (
            running(stores) as store,
            running(stores, environment="test") as empty,
            trio.open_nursery() as nursery,
        ):
            played = Played(store)
            await nursery.start(played.registry.run)
            await scene(played, empty)
            nursery.cancel_scope.cancel()

    with pytest.MonkeyPatch.context() as patch:
        for module in (registry, rehydration):
            patch.setattr(module, "SNAPSHOT_EVENTS_WORTHWHILE", 1)
        trio.run(run)


@given(
    st.lists(st.tuples(STEPS, KEYS), max_size=20),
    st.lists(st.integers(0, 19), max_size=3),
)
@settings(max_examples=60, deadline=None)
def test_a_snapshot_and_its_tail_know_what_a_full_replay_knows(
    steps: list[tuple[Any, bytes | None]], snapshots_at: list[int]
) -> None:
    async def scene(played: Played, empty: Store) -> None:
        await played.ask(TALK, CREATE, b"%016d" % 0)
        for number, (step, key) in enumerate(steps):
            command: AnyCommand | None = played.world.command_of(step)
            if command is not None:
                await played.ask(TALK, command, key)
            if number in snapshots_at:
                await played.let_go()
        if snapshots_at and min(snapshots_at) < len(steps):
            assert await played.snapshots.find(TALK, transitions.KIND) is not None
        await played.assert_back(TALK, empty)

    play(scene)


@given(
    st.lists(st.tuples(st.sampled_from(PEOPLE), st.integers(1, 9), KEYS), max_size=20),
    st.integers(0, 19),
)
@settings(max_examples=40, deadline=None)
def test_so_do_the_marks_beside_it(
    reads: list[tuple[Any, int, bytes | None]], snapshot_at: int
) -> None:
    async def scene(played: Played, empty: Store) -> None:
        for number, (reader, version, key) in enumerate(reads):
            await played.ask(MARKS, AdvanceMark(reader, contact_of(reader), version), key)
            if number == snapshot_at:
                await played.let_go()
        await played.assert_back(MARKS, empty)

    play(scene)


@given(st.lists(STEPS, max_size=20))
@settings(max_examples=60, deadline=None)
def test_a_state_is_the_same_state_after_its_bytes(steps: list[Any]) -> None:
    world = World()
    for step in steps:
        if (command := world.command_of(step)) is not None:
            world.take(command)
    form = transitions.KIND.form
    assert form is not None
    back = form.load(form.dump(world.state))
    assert back == world.state
    for one in ("participants", "revisions", "touched", "attributes"):
        assert list(getattr(back, one)) == list(getattr(world.state, one)), "another order"


def test_what_is_sealed_names_the_requester_it_belongs_to() -> None:
    form, state = transitions.KIND.form, ConversationState(CONVERSATION)
    assert form is not None
    assert form.owner(state) == CONVERSATION
    state.requester_contact_id = CUSTOMER_CONTACT
    assert form.owner(state) == CUSTOMER_CONTACT
