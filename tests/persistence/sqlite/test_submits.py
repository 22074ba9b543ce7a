"""What counts while it waits, and what no longer does."""

import pytest

from persistence.errors import StoreBusyError
from persistence.limits import COMMIT_BYTES_MAX, PENDING_BYTES_MAX, PENDING_ROWS_MAX
from persistence.records import StreamWrite
from persistence.sqlite.heads import Head, Heads
from persistence.sqlite.submits import Batch, Submit, SubmitQueue
from tests.support.drafts import drafts, stream


def submit(head: Head, number: int, size: int = 0) -> Submit:
    write = StreamWrite(stream("a"), head.version, drafts(number))
    return Submit([write], [head], number, size, lambda _: None)


def empty_heads() -> Heads:
    return Heads(lambda _: Head(0, 0))


def test_a_batch_is_numbered_in_the_order_of_its_submits() -> None:
    queue, heads = SubmitQueue(), empty_heads()
    one, other = Head(0, 0), Head(7, 3)
    for head, number in ((one, 2), (other, 1), (one, 1)):
        queue.add(submit(head, number))
    batch = Batch(queue.take(), heads)

    assert batch.new_streams == [(1, *stream("a"))]
    assert [row[:3] for row in batch.rows] == [(1, 1, 1), (2, 1, 2), (3, 7, 4), (4, 1, 3)]
    ends = [(end.version, end.position) for one in batch.submits for end in one.appended]
    assert ends == [(2, 2), (4, 3), (3, 4)]
    assert (heads.position, heads.stream_id) == (4, 1)


def test_what_waits_holds_its_head_and_its_room_until_it_is_released() -> None:
    queue, head = SubmitQueue(), Head(1, 0)
    queue.add(submit(head, 2, size=PENDING_BYTES_MAX))
    with pytest.raises(StoreBusyError):
        queue.check_room(1, 1)
    batch = Batch(queue.take(), empty_heads())
    assert (head.waiting, queue.rows, len(queue)) == (1, 2, 0)
    with pytest.raises(StoreBusyError):
        queue.check_room(1, 1)

    queue.release(batch)
    assert (head.waiting, queue.rows) == (0, 0)
    queue.check_room(PENDING_ROWS_MAX, PENDING_BYTES_MAX)


def test_a_batch_is_of_whole_submits_within_the_bounds_of_a_commit() -> None:
    queue, head = SubmitQueue(), Head(1, 0)
    for size in (COMMIT_BYTES_MAX + 1, 1, COMMIT_BYTES_MAX - 1, 1):
        queue.add(submit(head, 1, size=size))
    sizes = [[one.size for one in queue.take()] for _ in range(3)]
    assert sizes == [[COMMIT_BYTES_MAX + 1], [1, COMMIT_BYTES_MAX - 1], [1]]
    assert queue.take() == []
