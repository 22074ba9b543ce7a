"""The dialogue as data: every frame has its place or is refused."""

from itertools import product

import pytest

from gateway.api.conversation.resources import MessageBody
from gateway.http.problem import code_of
from gateway.limits import BAD_FRAMES_MAX
from gateway.realtime import protocol
from gateway.realtime.protocol import (
    ALLOWED,
    AnyFrame,
    Auth,
    BadFrameError,
    Call,
    Close,
    Dialogue,
    Frame,
    MessageCreate,
    Phase,
    Ping,
    Pong,
    Presence,
    Read,
    Subscribe,
    Typing,
    Unsubscribe,
)

FRAMES: list[AnyFrame] = [
    Auth(token="ek_live_x"),
    Subscribe(conversation="conv_1"),
    MessageCreate(conversation="conv_1", message=MessageBody(text="Hello")),
    Unsubscribe(conversation="conv_1"),
    Typing(conversation="conv_1", state="start", visibility="note"),
    Presence(conversation="conv_1", state="away"),
    Read(conversation="conv_1", version=7),
    Ping(),
    Pong(),
    Call(method="GET", path="/v1/x"),
]

PLACES: dict[type[object], set[Phase]] = {
    Auth: {Phase.NEW},
    Subscribe: {Phase.READY},
    MessageCreate: {Phase.READY},
    Unsubscribe: {Phase.READY},
    Typing: {Phase.READY},
    Presence: {Phase.READY},
    Read: {Phase.READY},
    Ping: {Phase.NEW, Phase.READY},
    Pong: {Phase.NEW, Phase.READY},
    Call: {Phase.READY},
}


def test_every_kind_of_frame_is_tried_here() -> None:
    declared = {
        kind
        for kind in vars(protocol).values()
        if isinstance(kind, type) and issubclass(kind, Frame) and kind is not Frame
    }
    assert {type(frame) for frame in FRAMES} == declared
    assert frozenset().union(*ALLOWED.values()) == declared


@pytest.mark.parametrize(("phase", "frame"), list(product(Phase, FRAMES)))
def test_every_frame_has_its_place_or_is_a_bad_frame(phase: Phase, frame: AnyFrame) -> None:
    dialogue = Dialogue(phase)
    if phase in PLACES[type(frame)]:
        dialogue.check(frame)
    else:
        with pytest.raises(BadFrameError) as error:
            dialogue.check(frame)
        assert code_of(error.value) == "bad_frame"
        assert phase.value in error.value.detail
        assert str(frame.__struct_config__.tag) in error.value.detail
    assert dialogue.phase is phase, "the caller moves, when the frame has succeeded"


def test_nothing_follows_the_end() -> None:
    assert not ALLOWED[Phase.ENDED]


def test_a_connection_may_spoil_so_many_frames_and_no_more() -> None:
    dialogue = Dialogue()
    assert [dialogue.spoiled() for _ in range(BAD_FRAMES_MAX)] == [
        number == BAD_FRAMES_MAX for number in range(1, BAD_FRAMES_MAX + 1)
    ]


def test_close_codes_are_those_of_the_contract() -> None:
    codes = [close.code for close in Close]
    assert len(set(codes)) == len(codes)
    assert set(codes) <= {1000, 1002, 1003, 1007, 1008, 1009, 1012, 4000, 4001, 4003, 4008, 4029}
    again = {close.code for close in Close if close.reconnect}
    assert {1012, 4008} <= again
    assert again.isdisjoint({1000, 4000, 4003})
