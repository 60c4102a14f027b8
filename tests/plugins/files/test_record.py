"""Records of an archive as bytes, compressed contents and chunks."""

from __future__ import annotations

import random
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pegboard_files._chunk import LARGEST, SMALLEST, chunks
from pegboard_files._codec import CodecError, compress, decompress
from pegboard_files._digest import digest_of
from pegboard_files._record import HEAD_SIZE, Drop, EntryRecord, ObjectRecord, pack
from pegboard_files._record import unpack_head as head_of
from pegboard_files._record import unpack_meta as meta_of

METAS = [
    ObjectRecord(id=b"i" * 32, size=3, codec=1, base=b"b" * 32, spent=7),
    EntryRecord(key=b"k" * 32, number=2**40, content=b"said"),
    Drop(key=b"k" * 32, numbers=[1, 2], last=9),
]


@pytest.mark.parametrize("meta", METAS, ids=lambda meta: type(meta).__name__)
def test_a_record_comes_back(meta: ObjectRecord | EntryRecord | Drop) -> None:
    packed = pack(meta, b"body")
    head = head_of(packed)
    assert head is not None
    assert head.size == len(packed)
    assert meta_of(head, packed[HEAD_SIZE : HEAD_SIZE + head.meta_size]) == meta


@given(st.data())
def test_a_changed_bit_of_head_or_description_is_seen(data: st.DataObject) -> None:
    packed = bytearray(pack(METAS[0], b"body"))
    at = data.draw(st.integers(0, len(packed) - 5))
    packed[at] ^= 1 << data.draw(st.integers(0, 7))
    head = head_of(packed)
    if head is not None:
        end = HEAD_SIZE + head.meta_size
        seen = meta_of(head, bytes(packed[HEAD_SIZE:end]))
        assert seen is None or head.body_check != head_of(pack(METAS[0], b"body")).body_check  # type: ignore[union-attr]  # a head that was just packed


@given(st.binary(max_size=2_000), st.binary(min_size=8, max_size=2_000))
def test_a_content_comes_back_alone_and_as_a_difference(data: bytes, base: bytes) -> None:
    assert decompress(compress(data), len(data)) == data
    assert decompress(compress(data, base), len(data), base) == data


def test_a_difference_is_small_wherever_it_lies() -> None:
    base = random.Random(1).randbytes(3_000_000)
    changed = b"at the front" + base[:1_000_000] + b"inside" + base[1_000_100:]
    assert len(compress(changed, base)) < 10_000


def test_a_content_never_grows_beyond_what_it_was() -> None:
    bomb = compress(bytes(10_000_000))
    with pytest.raises(CodecError, match="1001 bytes came of what had 1000"):
        decompress(bomb, 1_000)
    with pytest.raises(CodecError):
        decompress(b"no such thing", 10)
    with pytest.raises(CodecError):
        decompress(compress(b"x" * 100)[:-4], 100)


def test_chunks_are_the_content() -> None:
    data = random.Random(2).randbytes(20_000_000)
    cut = [*chunks(BytesIO(data))]
    assert b"".join(cut) == data
    assert all(SMALLEST <= len(each) <= LARGEST for each in cut[:-1])
    assert [*chunks(BytesIO(b""))] == []
    assert [*chunks(BytesIO(b"small"))] == [b"small"]


def test_an_insertion_moves_few_cuts() -> None:
    data = random.Random(3).randbytes(20_000_000)
    before = {digest_of(each) for each in chunks(BytesIO(data))}
    after = {digest_of(each) for each in chunks(BytesIO(b"inserted" + data))}
    assert len(after - before) <= 8
