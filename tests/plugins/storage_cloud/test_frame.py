"""What lies in a bucket tells who wrote it, and whether it is whole."""

import pytest

from pegboard.errors import CorruptError
from pegboard_storage_cloud._frame import (
    ANCESTORS,
    REMOVED_SIZE,
    Frame,
    decode_frame,
    encode_frame,
    new_version,
)


def frame(data: bytes | None, ancestors: int = 3) -> Frame:
    ids = tuple(new_version() for _ in range(ancestors))
    return Frame(version=new_version(), data=data, ancestors=ids)


@pytest.mark.parametrize("data", [b"", b"{}", bytes(range(256)) * 10])
@pytest.mark.parametrize("ancestors", [0, 1, ANCESTORS])
def test_a_frame_comes_back_as_it_was(data: bytes, ancestors: int) -> None:
    before = frame(data, ancestors)
    assert decode_frame(encode_frame(before), "it") == before


def test_a_removal_is_smaller_than_any_file_and_remembers_one_write() -> None:
    before = frame(None, 3)
    raw = encode_frame(before)
    assert len(raw) == REMOVED_SIZE < 64 < len(encode_frame(frame(b"", 0)))
    after = decode_frame(raw, "it")
    assert after == Frame(version=before.version, data=None, ancestors=before.ancestors[:1])


def test_each_flipped_bit_is_seen() -> None:
    for original in (frame(b"some content"), frame(None)):
        raw = encode_frame(original)
        for bit in range(len(raw) * 8):
            changed = bytearray(raw)
            changed[bit // 8] ^= 1 << bit % 8
            with pytest.raises(CorruptError, match="it is damaged"):
                decode_frame(bytes(changed), "it")


def test_each_cut_is_seen() -> None:
    raw = encode_frame(frame(b"some content"))
    for length in range(len(raw)):
        with pytest.raises(CorruptError):
            decode_frame(raw[:length], "it")


def test_a_state_contains_the_writes_that_led_to_it_as_far_as_it_remembers() -> None:
    ids = [new_version() for _ in range(ANCESTORS + 2)]
    state = Frame(version=ids[0], data=b"")
    for each in ids[1:]:
        state = state.followed_by(each, b"")
    assert [state.contains(each) for each in ids] == [False] + [True] * (ANCESTORS + 1)
    assert not state.contains(new_version())
