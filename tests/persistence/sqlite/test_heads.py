"""Which heads stay in memory."""

from persistence.records import Stream
from persistence.sqlite.heads import Head, Heads
from tests.support.drafts import stream


def heads_of_two() -> tuple[Heads, list[Stream]]:
    """Return heads that keep two, and the streams that were looked up."""
    asked: list[Stream] = []

    def look_up(name: Stream) -> Head:
        asked.append(name)
        return Head(1, 0)

    return Heads(look_up, remembered=2), asked


def test_the_heads_used_last_are_remembered() -> None:
    heads, asked = heads_of_two()
    for name in ["a", "b", "a", "c"]:
        heads.of(stream(name))
        heads.trim()

    heads.of(stream("a"))
    assert [name.name for name in asked] == ["a", "b", "c"]
    heads.of(stream("b"))
    assert asked[-1].name == "b"


def test_a_head_with_submits_waiting_is_never_forgotten() -> None:
    heads, asked = heads_of_two()
    heads.of(stream("waiting")).waiting = 1
    for number in range(10):
        heads.of(stream(f"s{number}"))
        heads.trim()

    assert len(heads) == 2
    heads.of(stream("waiting"))
    assert [name.name for name in asked].count("waiting") == 1


def test_more_heads_than_should_be_remembered_stay_while_all_wait() -> None:
    heads, _ = heads_of_two()
    for number in range(5):
        heads.of(stream(f"s{number}")).waiting = 1
        heads.trim()
    assert len(heads) == 5

    for number in range(5):
        heads.of(stream(f"s{number}")).waiting = 0
    heads.trim()
    assert len(heads) == 2
