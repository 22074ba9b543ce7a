"""The dialogue as data: every frame has its place or is refused."""

from itertools import product

import pytest

from gateway.api.conversation.resources import MessageBody
from gateway.http.problem import code_of
from gateway.limits import BAD_FRAMES_MAX
from gateway.realtime import protocol
from gateway.realtime.protocol import (
    MOVES,
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

MOVED: dict[tuple[Phase, type[object]], Phase] = {
    (Phase.NEW, Auth): Phase.READY,
    (Phase.NEW, Ping): Phase.NEW,
    (Phase.NEW, Pong): Phase.NEW,
    (Phase.READY, Subscribe): Phase.READY,
    (Phase.READY, MessageCreate): Phase.READY,
    (Phase.READY, Unsubscribe): Phase.READY,
    (Phase.READY, Typing): Phase.READY,
    (Phase.READY, Presence): Phase.READY,
    (Phase.READY, Read): Phase.READY,
    (Phase.READY, Ping): Phase.READY,
    (Phase.READY, Pong): Phase.READY,
    (Phase.READY, Call): Phase.READY,
}


def test_every_kind_of_frame_is_tried_here() -> None:
    declared = {
        kind
        for kind in vars(protocol).values()
        if isinstance(kind, type) and issubclass(kind, Frame) and kind is not Frame
    }
    assert {type(frame) for frame in FRAMES} == declared
    assert {kind for _, kind in MOVES} <= declared


@pytest.mark.parametrize(("phase", "frame"), list(product(Phase, FRAMES)))
def test_every_frame_moves_the_dialogue_or_is_a_bad_frame(phase: Phase, frame: AnyFrame) -> None:
    dialogue = Dialogue(phase)
    following = MOVED.get((phase, type(frame)))
    if following is not None:
        assert dialogue.check(frame) is following
        assert dialogue.phase is phase, "the caller moves, when the frame has succeeded"
        return
    with pytest.raises(BadFrameError) as error:
        dialogue.check(frame)
    assert code_of(error.value) == "bad_frame"
    assert phase.value in error.value.detail
    assert str(frame.__struct_config__.tag) in error.value.detail


def test_nothing_follows_the_end() -> None:
    assert not [move for move in MOVES if move[0] is Phase.ENDED]


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
