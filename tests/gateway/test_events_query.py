"""One request looks at a bounded part of the log, and says where to go on."""

import pytest

from engine.log.event import Event
from gateway.api.events_query import Range, scan
from gateway.limits import PAGE_SCAN_RECORDS_MAX
from tests.support.tallies import event, tally

ALL = PAGE_SCAN_RECORDS_MAX * 2 + 10


@pytest.mark.parametrize("newest_first", [False, True])
async def test_a_page_that_finds_nothing_ends_at_its_bound_and_leads_on(
    *, newest_first: bool
) -> None:
    looked_at: list[int] = []

    async def read(after: int, count: int) -> list[Event]:
        looked_at.extend(range(after + 1, after + count + 1))
        return [event(version) for version in range(after + 1, after + count + 1)]

    asked, pages = Range(tally(), 0, ALL + 1), 0
    while True:
        before = len(looked_at)
        found = await scan(
            read, lambda one: one.version == 5, asked, limit=10, newest_first=newest_first
        )
        pages += 1
        assert len(looked_at) - before <= PAGE_SCAN_RECORDS_MAX
        assert [one.version for one in found.events] == ([5] if 5 in looked_at[before:] else [])
        if found.next is None:
            break
        asked = (
            Range(tally(), 0, found.next) if newest_first else Range(tally(), found.next, ALL + 1)
        )
    assert pages == 3
    assert sorted(looked_at) == list(range(1, ALL + 1))
