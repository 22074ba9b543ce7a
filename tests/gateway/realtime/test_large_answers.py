"""One answer may be larger than everything else that may wait: who reads gets it."""

import pytest

from gateway.limits import OUTBOUND_ANSWER_BYTES_MAX, OUTBOUND_BYTES_MAX
from gateway.quart_app.outbound import ClientTooSlowError, Outbound

LARGE = b"x" * (OUTBOUND_BYTES_MAX + OUTBOUND_ANSWER_BYTES_MAX + 1)


async def test_an_answer_of_any_size_is_taken_when_nothing_waits() -> None:
    outbound = Outbound()
    for _ in range(2):
        outbound.answer(LARGE)
        assert await outbound.take_all() == [LARGE]


async def test_an_answer_behind_a_large_one_that_is_not_read_is_too_much() -> None:
    outbound = Outbound()
    outbound.answer(LARGE)
    outbound.answer(b"one more")
    with pytest.raises(ClientTooSlowError):
        await outbound.take_all()
