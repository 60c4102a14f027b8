"""What lies in a bucket tells who wrote it, and whether it is whole."""

import pytest

from pegboard.errors import CorruptError
from pegboard_storage_cloud._frame import REMOVED_SIZE, Frame, decode_frame, encode_frame
from pegboard_storage_cloud._identity import RECENT, REMEMBERED, Writer


def frame(data: bytes | None, ancestors: int = 3) -> Frame:
    ids = tuple(Writer().new_version() for _ in range(ancestors))
    return Frame(version=Writer().new_version(), data=data, ancestors=ids)


@pytest.mark.parametrize("data", [None, b"", b"{}", bytes(range(256)) * 10])
@pytest.mark.parametrize("ancestors", [0, 1, REMEMBERED])
def test_a_frame_comes_back_as_it_was(data: bytes | None, ancestors: int) -> None:
    before = frame(data, ancestors)
    assert decode_frame(encode_frame(before), "it") == before


def test_a_removal_is_smaller_than_any_file() -> None:
    for ancestors in (0, REMEMBERED):
        assert len(encode_frame(frame(None, ancestors))) == REMOVED_SIZE
        assert len(encode_frame(frame(b"", ancestors))) > REMOVED_SIZE


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


def test_a_state_remembers_the_last_write_of_each_writer_however_often_one_of_them_writes() -> None:
    busy = Writer()
    lost = [Writer().new_version() for _ in range(REMEMBERED - RECENT)]
    state = Frame(version=lost[0], data=b"")
    for version in lost[1:]:
        state = state.followed_by(version, b"")
    written = [busy.new_version() for _ in range(1000)]
    for version in written:
        state = state.followed_by(version, b"")
    assert all(state.contains(each) for each in lost)
    assert len(state.ancestors) == REMEMBERED
    assert [state.contains(each) for each in written[-2 - RECENT :]] == [False] + [True] * (
        RECENT + 1
    )


def test_however_many_processes_have_written_the_last_writes_are_remembered() -> None:
    state = Frame(version=Writer().new_version(), data=b"")
    for _ in range(3 * REMEMBERED):
        state = state.followed_by(Writer().new_version(), b"")
    writer = Writer()
    versions = [writer.new_version() for _ in range(RECENT)]
    for version in versions:
        state = state.followed_by(version, b"")
    assert all(state.contains(each) for each in versions)


def test_earlier_writes_of_one_writer_are_remembered_while_there_is_room() -> None:
    writer = Writer()
    versions = [writer.new_version() for _ in range(REMEMBERED + 2)]
    state = Frame(version=versions[0], data=b"")
    for each in versions[1:]:
        state = state.followed_by(each, b"")
    assert [state.contains(each) for each in versions] == [False] + [True] * (REMEMBERED + 1)
