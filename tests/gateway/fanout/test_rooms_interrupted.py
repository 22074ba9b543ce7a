"""A room whose flush was stopped between two members, and what happens meanwhile."""

import pytest

from engine.log.event import CUSTOMER
from tests.gateway.fanout.single_room import one_room, record, removal
from tests.gateway.fanout.stepping import Steps, held
from tests.gateway.realtime.clients import Seat


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:
    return held(monkeypatch)


async def test_a_flush_that_was_interrupted_goes_on_where_it_was(steps: Steps) -> None:
    async with one_room() as place:
        seats = place.seats(0, 0, 0)
        place.publish(1)
        place.flush()
        steps.one = True
        place.publish(2)
        assert place.flush()
        assert [len(seat.client.batches) for seat in seats] == [2, 1, 1]
        place.publish(3)
        assert place.flush()
        assert [len(seat.client.batches) for seat in seats] == [2, 2, 1]
        steps.one = False
        assert not place.flush()
        assert [seat.client.batches for seat in seats] == [[b"a:1 ", b"a:2 ", b"a:3 "]] * 3


async def test_whatever_happens_amid_a_flush_nobody_has_a_gap_or_a_double(steps: Steps) -> None:
    async with one_room() as place:
        first, slow, leaves, last = place.seats(0, 0, 0, 0)
        place.publish(1)
        place.flush()
        steps.one = True
        place.publish(2)
        assert place.flush()
        place.publish(3)
        slow.client.stops()
        place.room.leave(leaves)
        joins = place.seats(3)[0]
        assert not place.room.join(Seat(), 2)
        steps.one = False
        place.flush()
        assert [seat.versions for seat in (first, last)] == [[1, 2, 3]] * 2
        assert (slow.versions, slow.fell_at) == ([1], [1])
        assert (leaves.versions, joins.versions) == ([1], [])
        place.publish(4)
        place.flush()
        assert joins.versions == [4]


async def test_a_removal_amid_a_flush_lets_go_behind_what_was_under_way(steps: Steps) -> None:
    async with one_room(audience=CUSTOMER) as place:
        seats = place.seats(0, 0, 0)
        place.publish(1)
        place.flush()
        steps.one = True
        place.publish(2)
        assert place.flush()
        place.room.publish(removal(3))
        assert [(seat.versions, seat.lost_at) for seat in seats] == [([1, 2, 3], [3])] * 3
        place.publish(4)
        steps.one = False
        assert not place.flush()
        assert [seat.versions for seat in seats] == [[1, 2, 3]] * 3


async def test_a_missed_record_amid_a_flush_is_missed_behind_what_was_under_way(
    steps: Steps,
) -> None:
    async with one_room() as place:
        seats = place.seats(0, 0)
        place.publish(1)
        place.flush()
        steps.one = True
        place.publish(2)
        place.flush()
        place.room.missed(record(3))
        assert [(seat.versions, seat.fell_at) for seat in seats] == [([1, 2], [2])] * 2
