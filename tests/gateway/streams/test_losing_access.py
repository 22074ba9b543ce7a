"""An open stream of a customer ends when it may not follow the conversation any longer."""

from engine.actor.outcome import Origin
from engine.conversation.events import Author
from engine.conversation.service import ANYTHING
from tests.gateway.streams.following import followed
from tests.support.desks import opened

USER = Author("user", "usr_45")


async def test_who_is_removed_before_the_stream_is_read_is_told_nothing() -> None:
    async with opened() as desk:
        posted = await desk.post(desk.staff, author=USER)
        conversation_id = posted.event.stream.name
        assert await followed(desk, desk.customer("usr_other"), conversation_id, 0) == b""
        assert desk.environment.bus._by_stream == {}  # noqa: SLF001


async def test_a_stream_ends_behind_a_removal_and_begins_again_behind_it() -> None:
    async with opened() as desk:
        await desk.post(desk.staff, author=USER)
        other = Author("user", "usr_other")
        posted = await desk.post(desk.staff, author=other)
        conversation_id = posted.event.stream.name
        await desk.environment.changing.remove_participant(
            desk.staff, conversation_id, other, ANYTHING, Origin("key_1")
        )
        await desk.post(desk.staff, "only the two of us")
        text = await followed(desk, desk.customer("usr_45"), conversation_id, 0)
        assert text.count(b"\n") == 4
        assert b'"participant.removed"' in text
        assert b"only the two of us" not in text
        assert desk.environment.bus._by_stream == {}  # noqa: SLF001
