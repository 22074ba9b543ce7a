"""Who is present by whose word, and what of it is told. Time is given, so nothing waits."""

import pytest

from engine.conversation.events import Author
from engine.errors import OutOfRangeError
from gateway.fanout.presences import Presences, PresenceState, PresenceTold, Present
from gateway.fanout.roll import Seat
from gateway.limits import (
    CONVERSATION_AUTHORS_MAX,
    PRESENCE_GRACE_SECONDS,
    PRESENCE_REST_SECONDS,
    SIGNAL_SECONDS,
    SOCKET_AUTHORS_MAX,
)

NEVER = float("inf")
ANNA = Author("user", "anna")
SEAT = Seat("conv_1", ANNA)


class Watch:
    """Presences and a clock: what is told is noted with its state."""

    def __init__(self) -> None:
        self.presences = Presences()
        self.now = 0.0
        self.told: list[PresenceState] = []

    def say(self, state: PresenceState, source: str | None = "phone", seat: Seat = SEAT) -> None:
        self._note(
            self.presences.say(seat, state, source, now=self.now, now_ms=round(self.now * 1000))
        )

    def close(self, source: str = "phone") -> None:
        self.presences.close(source, now=self.now)

    def withdraw(self, source: str = "phone", where: str = "conv_1") -> None:
        self._note(
            self.presences.withdraw(source, where, now=self.now, now_ms=round(self.now * 1000))
        )

    def until(self, moment: float) -> None:
        """Let the time pass, stopping wherever something lapses."""
        while self.presences.next <= moment:
            self.now = self.presences.next
            self._note(self.presences.lapse(self.now, round(self.now * 1000)))
        self.now = moment

    def _note(self, told: list[PresenceTold]) -> None:
        self.told += [one.state for one in told]


@pytest.fixture
def watch() -> Watch:
    return Watch()


def test_who_comes_is_told_at_once_and_listed_with_the_moment(watch: Watch) -> None:
    watch.until(5)
    watch.say("online")
    assert watch.told == ["online"]
    assert watch.presences.present("conv_1") == [Present(ANNA, "online", 5_000)]
    watch.until(6)
    watch.say("online")
    assert watch.presences.present("conv_1") == [Present(ANNA, "online", 5_000)]
    assert watch.presences.present("conv_2") == []
    watch.until(1_000)
    assert watch.told == ["online"]
    assert watch.presences.next == NEVER


def test_who_says_goodbye_is_gone_at_once(watch: Watch) -> None:
    watch.say("offline")
    assert watch.told == []
    watch.say("online")
    watch.until(3)
    watch.say("offline")
    assert watch.told == ["online", "offline"]
    assert watch.presences.present("conv_1") == []
    watch.until(3 + SIGNAL_SECONDS)
    assert len(watch.presences) == 0


def test_a_socket_that_closes_holds_for_the_grace_and_no_longer(watch: Watch) -> None:
    watch.say("away")
    watch.until(100)
    watch.close()
    watch.until(100 + PRESENCE_GRACE_SECONDS - 0.1)
    assert watch.told == ["away"]
    assert watch.presences.present("conv_1") == [Present(ANNA, "away", 0)]
    watch.until(100 + PRESENCE_GRACE_SECONDS)
    assert watch.told == ["away", "offline"]
    watch.until(200)
    assert len(watch.presences) == 0


def test_who_is_back_within_the_grace_was_never_away(watch: Watch) -> None:
    watch.say("online")
    watch.until(100)
    watch.close()
    watch.until(109)
    watch.say("online", "laptop")
    watch.until(200)
    assert watch.told == ["online"]
    assert watch.presences.present("conv_1") == [Present(ANNA, "online", 0)]


def test_who_is_back_within_the_grace_is_what_it_says_now(watch: Watch) -> None:
    watch.say("online")
    watch.until(100)
    watch.close()
    watch.until(105)
    watch.say("away", "laptop")
    assert watch.told == ["online", "away"]
    watch.close("laptop")
    watch.until(108)
    watch.say("offline", "tablet")
    assert watch.told == ["online", "away", "offline"]


def test_another_socket_keeps_its_author_here(watch: Watch) -> None:
    watch.say("online")
    watch.say("online", "laptop")
    watch.until(100)
    watch.close()
    watch.until(200)
    assert watch.told == ["online"]
    watch.close("laptop")
    watch.until(300)
    assert watch.told == ["online", "offline"]


def test_the_most_present_word_counts(watch: Watch) -> None:
    watch.say("away")
    watch.until(10)
    watch.say("online", "laptop")
    watch.until(20)
    watch.say("offline", "laptop")
    watch.until(30)
    watch.say("online", None)
    watch.until(40)
    watch.say("offline", None)
    assert watch.told == ["away", "online", "away", "online", "away"]


def test_a_word_by_rest_lapses_unless_it_is_repeated(watch: Watch) -> None:
    watch.say("online", None)
    watch.until(PRESENCE_REST_SECONDS - 1)
    watch.say("online", None)
    watch.until(2 * PRESENCE_REST_SECONDS - 1.1)
    assert watch.told == ["online"]
    watch.until(2 * PRESENCE_REST_SECONDS - 1)
    assert watch.told == ["online", "offline"]


def test_who_comes_and_goes_all_the_time_is_told_rarely_and_rightly_at_last(watch: Watch) -> None:
    states: tuple[PresenceState, ...] = ("online", "away", "offline")
    for number in range(1_000):
        watch.until(number / 50)
        watch.say(states[number % 3])
    assert len(watch.told) <= 20 / SIGNAL_SECONDS + 1
    watch.say("away")
    watch.until(100)
    watch.say("offline")
    watch.until(200)
    assert watch.told[-2:] == ["away", "offline"]
    assert len(watch.presences) == 0


def test_who_may_not_be_here_any_longer_is_gone_at_once_and_only_here(watch: Watch) -> None:
    elsewhere = Seat("conv_2", ANNA)
    watch.say("online")
    watch.say("online", seat=elsewhere)
    watch.until(10)
    watch.withdraw()
    assert watch.told == ["online", "online", "offline"]
    assert watch.presences.present("conv_2") == [Present(ANNA, "online", 0)]
    watch.withdraw()
    watch.close()
    watch.until(100)
    assert len(watch.presences) == 0


def test_a_conversation_and_a_socket_have_room_for_so_many(watch: Watch) -> None:
    for number in range(CONVERSATION_AUTHORS_MAX):
        watch.say("online", f"socket {number}", Seat("conv_1", Author("user", str(number))))
    with pytest.raises(OutOfRangeError):
        watch.say("online", "one more")
    for number in range(SOCKET_AUTHORS_MAX):
        watch.say("online", "phone", Seat(f"conv {number}", ANNA))
    with pytest.raises(OutOfRangeError):
        watch.say("online", "phone", Seat("one more", ANNA))
    watch.say("offline", "phone", Seat("conv 0", ANNA))
    watch.say("online", "phone", Seat("one more", ANNA))
