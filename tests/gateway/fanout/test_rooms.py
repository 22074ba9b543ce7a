"""Who is live in a room gets the same bytes once; who cannot follow leaves it without a gap."""

import logging

import pytest
from trio.testing import wait_all_tasks_blocked

from engine.events.filters import type_filter
from engine.log.event import CUSTOMER, STAFF_ONLY, Event
from engine.log.log import Log
from gateway.fanout.forms import Form
from gateway.fanout.rooms import HOLD_MEMBERS, STEP_MEMBERS
from tests.gateway.fanout.single_room import one_room, record, removal
from tests.gateway.realtime.clients import VERSIONS, Client, Seat, hall
from tests.support.disks import MemoryDisk
from tests.support.tallies import CATALOGUE, Count, event, tally


async def test_all_members_get_the_same_bytes_in_one_piece_at_the_end_of_the_pass() -> None:
    async with one_room() as place:
        seats = place.seats(*[0] * (STEP_MEMBERS + 1))
        place.publish(1)
        place.flush()  # from now on none of them is fresh
        place.publish(2, 3, 4)
        assert {len(seat.client.batches) for seat in seats} == {1}
        assert not place.flush()
        assert {len(seat.client.batches) for seat in seats} == {2}
        assert seats[0].versions == [1, 2, 3, 4]
        first = seats[0].client.batches[1]
        assert all(seat.client.batches[1] is first for seat in seats)
        assert not place.flush()
        assert {len(seat.client.batches) for seat in seats} == {2}


async def test_the_bytes_of_an_event_are_made_once() -> None:
    made: list[int] = []

    def frame(log: Log, event: Event, audience: str) -> bytes:
        made.append(event.version)
        return VERSIONS.frame(log, event, audience)

    async with one_room(form=Form("counted", frame)) as place:
        seats = place.seats(0, 0, 0)
        place.publish(1, 2)
        place.flush()
        assert made == [1, 2]
        assert [seat.versions for seat in seats] == [[1, 2]] * 3


async def test_what_an_audience_does_not_see_and_what_was_not_asked_for_is_left_out() -> None:
    hidden = event(2)
    hidden.visibility = STAFF_ONLY
    async with one_room(audience=CUSTOMER) as place:
        (seat,) = place.seats(0)
        place.publish(1)
        place.room.publish(hidden)
        place.publish(3)
        place.flush()
        assert seat.versions == [1, 3]
        assert place.room.newest == 3
    types = type_filter(["other.thing"], {"other.thing": type(hidden.payload), **CATALOGUE})
    async with one_room(types=types) as place:
        (seat,) = place.seats(0)
        place.publish(1)
        place.flush()
        assert seat.client.batches == []
        assert place.room.newest == 1


@pytest.mark.parametrize("seen", range(6))
async def test_a_fresh_member_gets_exactly_what_it_has_not_seen_of_a_batch(seen: int) -> None:
    async with one_room() as place:
        (seat,) = place.seats(seen)
        place.publish(1, 2, 3, 4, 5)
        place.flush()
        assert seat.versions == list(range(seen + 1, 6))
        place.publish(6, 7)
        place.flush()
        assert seat.versions == list(range(seen + 1, 8))


async def test_who_has_read_further_than_was_told_waits_for_what_is_new() -> None:
    async with one_room() as place:
        (seat,) = place.seats(3)
        for version in range(1, 6):
            place.publish(version)
            place.flush()
        assert seat.versions == [4, 5]


async def test_who_has_not_seen_what_was_told_may_not_join() -> None:
    async with one_room() as place:
        place.publish(1, 2)
        assert not place.room.join(Seat(), 1)
        (seat,) = place.seats(2)
        place.flush()
        place.publish(3)
        place.flush()
        assert seat.versions == [3]


async def test_who_takes_nothing_falls_behind_at_what_it_has_had_and_harms_no_other() -> None:
    async with one_room() as place:
        slow, fast = place.seats(0, 0)
        place.publish(1, 2)
        place.flush()
        slow.client.stops()
        place.publish(3, 4)
        place.flush()
        assert (slow.fell_at, slow.versions) == ([2], [1, 2])
        assert slow not in place.room
        assert fast in place.room
        assert fast.versions == [1, 2, 3, 4]
        slow.client.reads()
        place.publish(5)
        place.flush()
        assert slow.versions == [1, 2]


async def test_a_fresh_member_that_takes_nothing_falls_behind_at_its_own_place() -> None:
    async with one_room() as place:
        first, second = place.seats(1, 2)
        for seat in (first, second):
            seat.client.stops()
        place.publish(1, 2, 3)
        place.flush()
        assert (first.fell_at, second.fell_at) == ([1], [2])
        assert (first in place.room, second in place.room) == (False, False)


async def test_who_leaves_gets_nothing_more_and_may_leave_twice() -> None:
    async with one_room() as place:
        early, late = place.seats(0, 0)
        place.publish(1)
        place.flush()
        fresh = place.seats(1)[0]
        for seat in (early, fresh, early, fresh):
            place.room.leave(seat)
        place.publish(2)
        place.flush()
        assert [seat.versions for seat in (early, late, fresh)] == [[1], [1, 2], []]


async def test_a_way_that_breaks_is_ended_and_harms_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.ERROR)
    async with one_room() as place:
        broken, other = place.seats(0, 0)
        broken.client.breaks = ValueError("a fault")
        place.publish(1)
        place.flush()
        assert (broken.client.failed, broken.fell_at) == (True, [])
        assert (other.client.failed, other.versions) == (False, [1])
        assert "could not be written to" in caplog.text


async def test_a_record_without_its_event_is_read_from_the_log_by_all() -> None:
    async with one_room() as place:
        live, fresh, ahead = *place.seats(0), Seat(), Seat()
        place.publish(1, 2)
        place.flush()
        assert place.room.join(fresh, 2)
        assert place.room.join(ahead, 5)
        place.publish(3)
        place.room.missed(record(4))
        assert (live.versions, fresh.versions) == ([1, 2, 3], [3])
        assert [seat.fell_at for seat in (live, fresh, ahead)] == [[3], [3], [5]]
        assert not any(seat in place.room for seat in (live, fresh, ahead))
        assert not place.room.join(Seat(), 3)
        assert place.room.join(Seat(), 4)


async def test_a_removal_ends_every_subscription_of_customers_exactly_behind_it() -> None:
    async with one_room(audience=CUSTOMER) as place:
        live, slow, ahead = *place.seats(0, 0), Seat()
        place.publish(1)
        place.flush()
        fresh = place.seats(1)[0]
        assert place.room.join(ahead, 3)
        slow.client.stops()
        place.publish(2)
        place.room.publish(removal(3))
        place.publish(4)
        place.flush()
        assert (live.versions, live.lost_at) == ([1, 2, 3], [3])
        assert (fresh.versions, fresh.lost_at) == ([2, 3], [3])
        assert (slow.fell_at, slow.lost_at) == ([1], [])  # it reads of the removal in the log
        assert (ahead.versions, ahead.lost_at) == ([4], [])
        assert [seat in place.room for seat in (live, fresh, slow, ahead)] == [False] * 3 + [True]


async def test_staff_is_not_let_go_by_a_removal() -> None:
    async with one_room() as place:
        (seat,) = place.seats(0)
        place.room.publish(removal(1))
        place.flush()
        assert (seat.versions, seat.lost_at) == ([1], [])
        assert seat in place.room


async def test_a_room_is_there_as_long_as_somebody_holds_it() -> None:
    async with hall() as h:
        bus, name = h.bus, h.name(tally())
        first, second = h.rooms.hold(name), h.rooms.hold(name)
        assert first is second
        other = h.rooms.hold(h.name(None))
        assert len(h.rooms) == 2
        h.rooms.release(first)
        assert len(h.rooms) == 2
        h.rooms.release(second)
        h.rooms.release(other)
        assert len(h.rooms) == 0
        assert (bus._by_stream, bus._of_all) == ({}, {})  # noqa: SLF001
        again = h.rooms.hold(name)
        assert again is not first
        await h.write()
        assert (again.newest, first.newest) == (1, 0)


@pytest.mark.parametrize("members", [HOLD_MEMBERS - 1, HOLD_MEMBERS])
async def test_a_large_room_waits_for_what_is_on_its_way_to_the_disk(members: int) -> None:
    disk = MemoryDisk()
    async with hall(disk) as h:
        clients = [Client() for _ in range(members)]
        for client in clients:
            await h.live(client)
        of_all = Client()
        await h.live(of_all, stream=None)
        await h.write()
        disk.hold()
        h.tallies.tell(Count("first"))
        await disk.wait_held()
        room = h.rooms.hold(h.name_of("a"))
        assert room.waits() == (members == HOLD_MEMBERS)
        assert not h.rooms.hold(h.name_of(None)).waits()
        disk.release()
        await wait_all_tasks_blocked()
        assert not room.waits()
        assert [client.versions for client in (*clients, of_all)] == [[1, 2]] * (members + 1)
