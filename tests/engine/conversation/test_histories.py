"""Whatever is asked in whatever order, what then is so is what was asked."""

import copy
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from engine.conversation.commands import (
    AddParticipant,
    AnyCommand,
    ChangeConversation,
    Changes,
    EditMessage,
    PostMessage,
    RedactMessage,
    RemoveParticipant,
)
from engine.conversation.events import Author, Visibility
from engine.conversation.revisions import history
from engine.conversation.state import ConversationState
from engine.conversation.transitions import KIND, decide
from engine.errors import ParleyError
from engine.log.event import Event
from tests.support.conversations import (
    AGENT,
    CATALOGUE,
    CONVERSATION,
    CREATED,
    CUSTOMER,
    ITSELF,
    STAFF,
    edit,
    happen,
    post,
    redact,
    target_of,
)
from tests.support.conversations import (
    given as in_which,
)

PEOPLE = (AGENT, CUSTOMER, Author("agent", "bob"), Author("bot", "b"))
VIEWERS = st.sampled_from([STAFF, ITSELF])
VALUES = st.sampled_from(["a", "b", 1, True, None, ["c"], {"d": "e"}])
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "status": st.sampled_from(["open", "closed"]),
    "assignee": st.sampled_from([None, AGENT, Author("bot", "b")]),
    "priority": st.sampled_from(["low", "normal", "high", "urgent"]),
    "channel": st.sampled_from([None, "email", "chat"]),
    "tags": st.lists(st.sampled_from(["a", "b", "c"]), max_size=4).map(tuple),
    "attributes": st.dictionaries(st.sampled_from(["x", "y", "z"]), VALUES, max_size=3),
}
CHANGES = st.fixed_dictionaries({}, optional=FIELDS).map(lambda fields: Changes(**fields))


@st.composite
def posts(draw: st.DrawFn) -> PostMessage:
    viewer = draw(VIEWERS)
    author = draw(st.sampled_from(PEOPLE)) if viewer.staff else CUSTOMER
    visibility: Visibility = "public"
    if viewer.staff and draw(st.booleans()):
        visibility = "note"
    return post(viewer, author=author, visibility=visibility)


@dataclass(frozen=True)
class OnMessage:
    """An edit (or, without one, a redaction) of the message of this number, if there is one."""

    number: int
    viewer: Any
    text: str | None = None
    metadata: dict[str, Any] | None = None


def contact_of(who: Author) -> str | None:
    return ITSELF.contact_id if who == CUSTOMER else None


TEXTS = st.sampled_from([None, "better", "best"])
NOTED = st.sampled_from([None, {}, {"a": 1}])
STEPS = st.one_of(
    posts(),
    CHANGES.map(lambda changes: ChangeConversation(viewer=STAFF, changes=changes)),
    st.sampled_from(PEOPLE).map(
        lambda who: AddParticipant(viewer=STAFF, participant=who, contact_id=contact_of(who))
    ),
    st.sampled_from(PEOPLE).map(
        lambda who: RemoveParticipant(viewer=STAFF, participant=who, contact_id=contact_of(who))
    ),
    st.builds(OnMessage, st.integers(0, 5), VIEWERS, TEXTS, NOTED),
    st.builds(OnMessage, st.integers(0, 5), VIEWERS),
)


@dataclass
class World:
    """A conversation, its events, and what its messages should say."""

    state: ConversationState = field(default_factory=lambda: in_which(CREATED))
    events: list[Event] = field(default_factory=list)
    texts: dict[bytes, str] = field(default_factory=dict)

    @property
    def messages(self) -> list[Event]:
        return [event for event in self.events if event.type == "message.created"]

    def command_of(self, step: Any) -> AnyCommand | None:
        if not isinstance(step, OnMessage):
            command: AnyCommand = step
            return command
        if step.number >= len(self.messages):
            return None
        target = target_of(self.messages[step.number], self.events)
        if step.text is None and step.metadata is None:
            return redact(target, step.viewer)
        return edit(target, step.viewer, text=step.text, metadata=step.metadata)

    def take(self, command: AnyCommand) -> bool:
        """Decide and apply as an actor does; say whether it was accepted."""
        before = copy.deepcopy(self.state)
        try:
            payloads = decide(self.state, command)
        except ParleyError:
            assert self.state == before
            return False
        assert self.state == before
        self.events += happen(self.state, payloads)
        self._note(command)
        return True

    def _note(self, command: AnyCommand) -> None:
        match command:
            case PostMessage():
                self.texts[self.messages[-1].uuid] = command.text
            case EditMessage() if command.text is not None:
                self.texts[command.target.uuid] = command.text
            case RedactMessage():
                self.texts[command.target.uuid] = ""
            case _:
                pass


def asked_for(state: ConversationState, command: AnyCommand) -> bool:
    """Say whether what ``command`` asks for is so."""
    match command:
        case ChangeConversation(changes=changes):
            plain = all(
                getattr(changes, name) in (UNSET, getattr(state, name))
                for name in ("status", "assignee", "priority", "channel")
            )
            tags = changes.tags is UNSET or set(changes.tags) == set(state.tags)
            attributes = changes.attributes is UNSET or all(
                state.attributes.get(name) == value for name, value in changes.attributes.items()
            )
            return plain and tags and attributes and None not in state.attributes.values()
        case AddParticipant(participant=who):
            return state.taking_part(who, command.contact_id) is not None
        case RemoveParticipant(participant=who):
            return state.taking_part(who, command.contact_id) is None
        case RedactMessage(target=target) | EditMessage(target=target):
            newest = state.revisions[target.uuid]
            return newest.redacted is isinstance(command, RedactMessage)
        case _:
            return True


def read_again(event: Event) -> Event:
    """Return the event as the log gives it back: its payload is decoded from its bytes."""
    names = set(Event.__slots__) - {"_payload", "_suffix", "cursor", "frames"}
    members = {name: getattr(event, name) for name in names}
    return Event(**members | {"catalogue": CATALOGUE})


@given(st.lists(STEPS, max_size=25))
@settings(max_examples=150)
def test_what_was_accepted_is_so_and_asking_again_is_no_news(steps: list[Any]) -> None:
    world = World()
    for step in steps:
        command = world.command_of(step)
        if command is None or not world.take(command):
            continue
        assert asked_for(world.state, command)
        if isinstance(command, ChangeConversation | AddParticipant | RedactMessage):
            assert decide(world.state, command) == ()


@given(st.lists(STEPS, max_size=25))
@settings(max_examples=150)
def test_versions_are_dense_and_a_replay_knows_what_the_actor_knew(steps: list[Any]) -> None:
    world = World()
    for step in steps:
        if (command := world.command_of(step)) is not None:
            world.take(command)
    assert [event.version for event in world.events] == list(range(2, len(world.events) + 2))
    replayed = in_which(CREATED)
    for event in world.events:
        KIND.advance(replayed, read_again(event))
    assert replayed == world.state
    assert replayed.name == CONVERSATION


@given(st.lists(STEPS, max_size=25))
@settings(max_examples=150)
def test_a_message_says_what_was_last_said_and_its_header_where_it_stands(steps: list[Any]) -> None:
    world = World()
    for step in steps:
        if (command := world.command_of(step)) is not None:
            world.take(command)
    for message in world.messages:
        changes = [event for event in world.events if event.about == message.uuid]
        for audience in ("staff", "customer"):
            if message.seen_by(audience):
                newest_text = history(message, changes, audience)[-1].text
                assert newest_text == world.texts[message.uuid]
        newest, header = world.state.revisions.get(message.uuid), target_of(message, world.events)
        if newest is not None:
            assert (newest.version, newest.redacted) == (header.version, header.redacted)
            assert newest.public_version in (0, header.public_version)
