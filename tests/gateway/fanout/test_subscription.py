"""One subscription: every event behind its start, once and in order, live or from the log."""

from collections.abc import Sequence

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from engine.limits import REPLAY_PAGE_RECORDS
from gateway.fanout import pages
from gateway.fanout.subscription import Subscription
from tests.gateway.realtime.clients import Client, Hall, hall, is_live
from tests.support.disks import MemoryDisk
from tests.support.tallies import Count


def no_one_is_held(hall: Hall) -> bool:
    bus = hall.bus
    return len(hall.rooms) == 0 and not bus._by_stream and not bus._of_all  # noqa: SLF001


async def test_who_has_seen_everything_is_live_at_once() -> None:
    async with hall() as h:
        await h.write(3)
        client = Client()
        subscription = h.follow(client, after=3, head=3)
        assert is_live(subscription)
        await h.write(2)
        assert client.versions == [4, 5]
        assert len(client.batches) == 1


async def test_who_has_not_seen_everything_is_fed_from_the_log_and_becomes_live() -> None:
    async with hall() as h:
        await h.write(3)
        client = Client()
        subscription = h.follow(client, after=1, head=3)
        assert not is_live(subscription)
        await wait_all_tasks_blocked()
        assert is_live(subscription)
        await h.write()
        assert client.versions == [2, 3, 4]


async def test_who_does_not_know_the_newest_reads_the_log_before_being_live() -> None:
    async with hall() as h:
        client = Client()
        subscription = h.follow(client, after=0)
        assert not is_live(subscription)
        await wait_all_tasks_blocked()
        assert is_live(subscription)


async def test_everything_of_an_environment_comes_in_its_order() -> None:
    async with hall() as h:
        await h.write(2, "a")
        await h.write(1, "b")
        client = Client()
        h.follow(client, after=1, stream=None)
        await wait_all_tasks_blocked()
        await h.write(1, "b")
        await h.write(1, "a")
        assert client.heard == [("a", 2), ("b", 1), ("b", 2), ("a", 3)]


async def test_a_client_that_lags_is_fed_from_the_log_and_misses_nothing() -> None:
    async with hall() as h:
        client = Client()
        subscription = await h.live(client)
        client.stops()
        for _ in range(5):
            await h.write(2)
        assert (client.versions, client.refused) == ([], 1)
        assert not is_live(subscription)
        assert subscription.place == 0
        client.reads()
        await wait_all_tasks_blocked()
        assert client.versions == list(range(1, 11))
        assert is_live(subscription)
        await h.write()
        assert client.versions == list(range(1, 12))


@pytest.fixture
def each_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every event of a page be a write of its own."""
    monkeypatch.setattr(pages, "RESUME_CHUNK_BYTES", 1)


@pytest.mark.usefixtures("each_by_itself")
async def test_who_stops_amid_a_page_goes_on_where_it_was() -> None:
    async with hall() as h:
        await h.write(10)
        client = Stingy(4)
        subscription = h.follow(client)
        await wait_all_tasks_blocked()
        assert client.versions == [1, 2, 3, 4]
        assert (subscription.live, subscription.place) == (False, 4)
        client.left = 100
        client.reads()
        await wait_all_tasks_blocked()
        assert client.versions == list(range(1, 11))
        assert is_live(subscription)


class Stingy(Client):
    """Takes so many frames, and then none."""

    def __init__(self, left: int) -> None:
        super().__init__()
        self.left = left

    def take(self, joined: bytes, frames: Sequence[bytes]) -> bool:
        self.room = self.left > 0
        self.left -= 1
        return super().take(joined, frames)


async def test_a_long_history_comes_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    async with hall() as h:
        for _ in range(3):
            await h.write(REPLAY_PAGE_RECORDS // 2)
        limits = reads_of(h, monkeypatch)
        client = Client()
        h.follow(client, after=1)
        await wait_all_tasks_blocked()
        assert client.versions == list(range(2, 3 * (REPLAY_PAGE_RECORDS // 2) + 1))
        assert limits == [REPLAY_PAGE_RECORDS, REPLAY_PAGE_RECORDS]


@pytest.mark.usefixtures("each_by_itself")
async def test_who_takes_little_reads_little_of_the_log_and_more_when_it_takes_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with hall() as h:
        await h.write(REPLAY_PAGE_RECORDS)
        limits = reads_of(h, monkeypatch)
        client = Stingy(3)
        h.follow(client)
        await wait_all_tasks_blocked()
        assert limits == [REPLAY_PAGE_RECORDS]
        client.left = REPLAY_PAGE_RECORDS
        client.reads()
        await wait_all_tasks_blocked()
        assert limits[1:4] == [3, 6, 12]
        assert max(limits) == REPLAY_PAGE_RECORDS
        assert client.versions == list(range(1, REPLAY_PAGE_RECORDS + 1))


def reads_of(h: Hall, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that grows by the limit of each read of a stream."""
    limits: list[int] = []
    read = h.tallies.log.read

    async def noted(*args: object, after: int = 0, limit: int) -> object:
        limits.append(limit)
        return await read(*args, after=after, limit=limit)  # type: ignore[arg-type]

    monkeypatch.setattr(h.tallies.log, "read", noted)
    return limits


async def test_what_commits_during_the_last_page_is_not_missed() -> None:
    disk = MemoryDisk()
    async with hall(disk) as h:
        await h.write()
        disk.hold()
        h.tallies.tell(Count("b"))
        await disk.wait_held()
        client = Client()
        h.follow(client)
        disk.release()
        await wait_all_tasks_blocked()
        assert client.versions == [1, 2]


async def test_who_has_ended_is_given_nothing_more_and_may_end_twice() -> None:
    async with hall() as h:
        clients = [Client(), Client()]
        live, lagging = await h.live(clients[0]), await h.live(clients[1])
        clients[1].stops()
        await h.write()
        for subscription in (live, lagging, live, lagging):
            subscription.end()
        assert [one.live for one in (live, lagging)] == [False, False]
        clients[1].reads()
        await h.write()
        assert [client.versions for client in clients] == [[1], []]
        assert no_one_is_held(h)


@pytest.mark.usefixtures("each_by_itself")
async def test_an_end_amid_a_page_of_the_log_ends_the_page() -> None:
    async with hall() as h:
        await h.write(5)
        client = EndsItself()
        client.subscription = h.follow(client)
        await wait_all_tasks_blocked()
        assert client.versions == [1]
        assert no_one_is_held(h)


async def test_an_end_while_nothing_new_is_read_does_not_make_it_live(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with hall() as h:
        subscriptions: list[Subscription] = []

        async def read(*_: object, **__: object) -> list[object]:
            await trio.lowlevel.checkpoint()
            subscriptions[0].end()
            return []

        monkeypatch.setattr(h.tallies.log, "read", read)
        room = h.rooms.hold(h.name_of("a"))
        subscriptions.append(h.follow(Client()))
        await wait_all_tasks_blocked()
        assert subscriptions[0] not in room
        assert not is_live(subscriptions[0])
        h.rooms.release(room)
        assert no_one_is_held(h)


async def test_who_ends_twice_takes_the_room_from_nobody() -> None:
    async with hall() as h:
        ended, other = Client(), Client()
        subscription = await h.live(ended)
        await h.live(other)
        for _ in range(2):
            subscription.end()
        await h.write()
        assert (ended.versions, other.versions) == ([], [1])
        assert len(h.rooms) == 1


class EndsItself(Client):
    """Lets its subscription go as soon as something comes."""

    subscription: Subscription

    def take(self, joined: bytes, frames: Sequence[bytes]) -> bool:
        self.subscription.end()
        return super().take(joined, frames)
