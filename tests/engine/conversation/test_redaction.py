"""What was withdrawn is shown by no door: not by the log, not live, not to who repeats."""

from collections.abc import Awaitable, Callable

import pytest

from engine.bus.follower import Follower
from engine.conversation.events import Author
from engine.conversation.service import Edit
from engine.limits import MESSAGE_CHANGES_MAX
from engine.log.event import Event
from persistence.limits import READ_RECORDS_MAX
from tests.support.desks import Desk, message_id, opened
from tests.support.disks import MemoryDisk

AGENT = Author("agent", "ada")
USER = Author("user", "usr_45")
SECRET = "card 4111 1111"


async def withdrawn(desk: Desk) -> Event:
    """Write a secret thrice, as a message, an edit and metadata; then withdraw it."""
    user = desk.customer(USER.id)
    said = (await desk.post(user, SECRET, key="k")).event
    await desk.post(user, "harmless")
    await desk.edit(user, said, Edit(f"my {SECRET}"), key="e")
    await desk.edit(desk.staff, said, Edit(metadata={"note": SECRET}))
    await desk.redact(user, said)
    return said


Door = Callable[[Desk, Event], Awaitable[list[Event]]]


async def read(desk: Desk, said: Event) -> list[Event]:
    return await desk.environment.log.read(said.stream)


async def read_backwards(desk: Desk, said: Event) -> list[Event]:
    return (await desk.environment.log.read(said.stream, newest_first=True))[::-1]


async def read_one_by_one(desk: Desk, said: Event) -> list[Event]:
    log = desk.environment.log
    head = await log.head(said.stream)
    pages = [await log.read(said.stream, after=version, limit=1) for version in range(head)]
    return [event for page in pages for event in page]


async def read_feed(desk: Desk, said: Event) -> list[Event]:
    feed = await desk.environment.log.read_feed(after=0)
    return [event for event in feed if event.stream == said.stream]


async def find(desk: Desk, said: Event) -> list[Event]:
    log = desk.environment.log
    found = [await log.find(event.uuid) for event in await read(desk, said)]
    return [event for event in found if event is not None]


@pytest.mark.parametrize("door", [read, read_backwards, read_one_by_one, read_feed, find])
async def test_every_door_of_the_log_gives_the_event_without_what_it_said(door: Door) -> None:
    disk = MemoryDisk()
    async with opened(disk) as desk:
        said = await withdrawn(desk)
        await check(await door(desk, said))
    async with opened(disk) as desk:
        await check(await door(desk, said))


async def check(events: list[Event]) -> None:
    assert [event.version for event in events] == [1, 2, 3, 4, 5, 6]
    assert all(SECRET.encode() not in event.data for event in events)
    _, said, harmless, edited, noted, redacted = events
    assert (said.payload.text, said.payload.metadata, said.payload.redacted) == ("", {}, True)
    assert (edited.payload.text, edited.payload.redacted) == (None, True)
    assert (noted.payload.metadata, noted.payload.redacted) == (None, True)
    assert harmless.payload.text == "harmless"
    assert redacted.type == "message.redacted"
    assert b'"redacted":true' in said.data


async def test_what_is_about_a_withdrawn_message_is_withdrawn_too() -> None:
    async with opened() as desk:
        said = await withdrawn(desk)
        changes = await desk.environment.log.about([said.uuid])
        assert [change.version for change in changes] == [4, 5, 6]
        assert all(SECRET.encode() not in change.data for change in changes)
        assert await desk.environment.log.about([]) == []


async def test_a_withdrawn_message_has_a_history_that_says_nothing() -> None:
    async with opened() as desk:
        said = await withdrawn(desk)
        for audience, revisions in (("staff", [2, 4, 5, 6]), ("customer", [2, 4, 6])):
            messages = desk.environment.messages
            told = await messages.history(said.stream.name, message_id(said), audience)
            assert [one.revision for one in told] == revisions
            assert {(one.text, str(one.metadata), one.redacted) for one in told} == {
                ("", "{}", True)
            }


async def test_who_repeats_a_message_or_an_edit_is_not_told_its_content_again() -> None:
    disk = MemoryDisk()
    async with opened(disk) as desk:
        said = await withdrawn(desk)
    async with opened(disk) as desk:
        user = desk.customer(USER.id)
        again = await desk.post(user, SECRET, key="k")
        assert (again.replayed, again.event.uuid) == (True, said.uuid)
        assert SECRET.encode() not in again.event.data
        edited = await desk.edit(user, said, Edit(f"my {SECRET}"), key="e")
        assert (edited.replayed, edited.message.text) == (True, "")
        assert edited.message.redacted


async def catch_up(follower: Follower) -> None:
    while await follower.catch_up():
        pass


async def test_a_follower_that_comes_later_hears_nothing_of_it_whatever_it_follows() -> None:
    async with opened() as desk:
        heard: list[Event] = []

        def sink(event: Event) -> bool:
            heard.append(event)
            return True

        said = await withdrawn(desk)
        bus = desk.environment.bus
        for follower in (
            bus.follow_stream(said.stream, sink, after=0, wake=lambda: None),
            bus.follow_all(sink, after=0, wake=lambda: None),
        ):
            await catch_up(follower)
        await desk.post(desk.staff, "behind", author=AGENT)
        assert [event.payload.text for event in heard if event.version == 7] == ["behind"] * 2
        assert all(SECRET.encode() not in event.data for event in heard)


async def test_a_live_follower_that_fell_behind_hears_nothing_of_it() -> None:
    async with opened() as desk:
        heard: list[Event] = []
        room = True

        def sink(event: Event) -> bool:
            if room:
                heard.append(event)
            return room

        user = desk.customer(USER.id)
        first = (await desk.post(user, "first")).event
        follower = desk.environment.bus.follow_stream(
            first.stream, sink, after=2, wake=lambda: None
        )
        await catch_up(follower)
        room = False
        said = (await desk.post(user, SECRET)).event
        assert not follower.live
        await desk.redact(user, said)
        room = True
        await catch_up(follower)
        assert [event.type for event in heard] == ["message.created", "message.redacted"]
        assert SECRET.encode() not in heard[0].data


async def test_a_redaction_is_found_behind_more_changes_than_one_page_holds() -> None:
    async with opened() as desk:
        user = desk.customer(USER.id)
        said = [(await desk.post(user, SECRET)).event for _ in range(3)]
        for number in range(MESSAGE_CHANGES_MAX):
            for message in said:
                await desk.edit(user, message, Edit(f"{SECRET} {number}"))
        await desk.redact(user, said[-1])
        log, uuids = desk.environment.log, [message.uuid for message in said]
        begin = await log.about(uuids)
        assert len(begin) == READ_RECORDS_MAX
        changes = begin + await log.about(uuids, after=begin[-1].position)
        assert len(changes) == 3 * MESSAGE_CHANGES_MAX + 1
        assert [change.version for change in changes] == sorted(c.version for c in changes)
        assert [c.version for c in await log.about(uuids, limit=2)] == [5, 6]
        shown = {change.about for change in changes if SECRET.encode() in change.data}
        assert shown == {message.uuid for message in said[:-1]}
        page = await log.read(said[0].stream, limit=4)
        assert [SECRET.encode() in event.data for event in page] == [False, True, True, False]


async def test_nothing_else_is_withdrawn() -> None:
    async with opened() as desk:
        await withdrawn(desk)
        user = desk.customer(USER.id)
        other = (await desk.post(user, "other")).event
        await desk.edit(user, other, Edit("better"))
        behind = (await desk.events())[6:]
        assert [event.payload.text for event in behind] == ["other", "better"]
        assert (await desk.edit(user, other, Edit("best"))).message.text == "best"


async def test_a_frame_that_was_built_before_is_forgotten() -> None:
    async with opened() as desk:
        said = (await desk.post(desk.customer(USER.id), SECRET)).event
        said.frames["json", "staff"] = b"built"
        said.withdraw()
        assert said.frames == {}
        assert SECRET.encode() not in said.data
