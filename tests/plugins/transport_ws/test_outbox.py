"""The queue of one connection."""

import pytest

from pegboard_transport_ws import WsConfig
from pegboard_transport_ws._frame import Frame
from pegboard_transport_ws._outbox import Outbox


def frame(size: int) -> Frame:
    return Frame({"type": "websocket.send"}, size)


def test_frames_come_out_as_they_went_in() -> None:
    outbox, frames = Outbox(WsConfig()), [frame(1), frame(2)]
    assert [outbox.put(each) for each in frames] == [True, True]
    assert (len(outbox), outbox.size) == (2, 3)
    assert [outbox.take(), outbox.take(), outbox.take()] == [*frames, None]
    assert (len(outbox), outbox.size, outbox.dropped) == (0, 0, 0)


@pytest.mark.parametrize("policy", ["close", "drop_newest"])
def test_a_full_queue_refuses_what_is_new(policy: str) -> None:
    outbox = Outbox(WsConfig(queue_messages=2, slow_consumer=policy))  # type: ignore[arg-type]
    first = frame(1)
    assert [outbox.put(each) for each in (first, frame(1), frame(1))] == [True, True, False]
    assert outbox.dropped == 1
    assert outbox.take() is first


def test_a_full_queue_may_drop_its_oldest_instead() -> None:
    outbox = Outbox(WsConfig(queue_messages=2, slow_consumer="drop_oldest"))
    frames = [frame(1), frame(1), frame(1)]
    assert all(outbox.put(each) for each in frames)
    assert [outbox.take(), outbox.take(), outbox.take()] == [*frames[1:], None]
    assert outbox.dropped == 1


def test_bytes_count_as_well_as_messages() -> None:
    outbox = Outbox(WsConfig(queue_bytes=10))
    assert [outbox.put(frame(6)), outbox.put(frame(5)), outbox.put(frame(4))] == [True, False, True]
    assert outbox.size == 10


def test_a_large_frame_makes_as_much_room_as_it_needs() -> None:
    outbox = Outbox(WsConfig(queue_bytes=5_000, queue_messages=5_000, slow_consumer="drop_oldest"))
    for _ in range(5_000):
        outbox.put(frame(1))
    assert outbox.put(frame(4_999))
    assert (len(outbox), outbox.size, outbox.dropped) == (2, 5_000, 4_999)


def test_a_frame_larger_than_the_queue_is_taken_while_nothing_else_waits() -> None:
    outbox = Outbox(WsConfig(queue_bytes=10))
    assert outbox.put(frame(50))
    assert not outbox.put(frame(1))


def test_what_is_cleared_counts_as_dropped() -> None:
    outbox = Outbox(WsConfig())
    outbox.put(frame(1))
    outbox.clear()
    assert (len(outbox), outbox.size, outbox.dropped) == (0, 0, 1)
