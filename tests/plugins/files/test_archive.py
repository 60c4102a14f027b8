"""An archive: contents once, damage named, everything else readable, an index made anew."""

from __future__ import annotations

import errno
import logging
import os
import random
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from pegboard_files import DamagedError, WriteError
from pegboard_files._archive import Archive
from pegboard_files._compaction import compact, drop
from pegboard_files._index import Index
from pegboard_files._record import HEAD_SIZE
from pegboard_files._segment import Segments
from pegboard_files._session import Session, session
from pegboard_locking import LockedError
from tests import fault


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    made = Archive(tmp_path / "archive", segment_size=20_000)
    yield made
    made.close()


def keep(archive: Archive, text: str, contents: Sequence[bytes]) -> bytes:
    """Commit an entry that names contents, and return its key."""
    key = archive.key(text)
    with session(archive) as kept:
        kept.commit(key, b"".join([kept.put(content) for content in contents]))
    return key


def names_in(kept: Session, key: bytes, number: int, content: bytes) -> list[bytes]:
    said = kept.opened(key, number, content)
    return [said[at : at + 32] for at in range(0, len(said), 32)]


def contents_of(archive: Archive, key: bytes, number: int = 1) -> list[bytes]:
    with session(archive) as kept:
        entry = archive.index.entry(key, number)
        assert entry is not None
        return [kept.get(name) for name in names_in(kept, key, number, entry.content)]


def noise(seed: int, size: int = 1_000) -> bytes:
    return random.Random(seed).randbytes(size)


def segments(archive: Archive) -> list[Path]:
    return [archive.segments.path(number) for number in archive.segments.numbers()]


def test_a_content_is_kept_once(archive: Archive) -> None:
    for _ in range(5):
        key = keep(archive, "a", [noise(1), noise(2)])
    assert archive.statistics().objects == 2
    assert archive.index.last_number(key) == 5
    assert contents_of(archive, key, 3) == [noise(1), noise(2)]


def test_a_content_is_told_from_the_one_before(archive: Archive) -> None:
    key = archive.key("a")
    contents = [noise(1, 10_000) + b"%d" % count for count in range(200)]
    name = None
    for content in contents:
        with session(archive) as kept:
            name = kept.put(content, like=name)
            kept.commit(key, name)
    assert archive.statistics().size < 120_000  # and not two million
    assert all(contents_of(archive, key, n + 1) == [contents[n]] for n in range(200))


def test_differences_end_where_they_no_longer_pay(archive: Archive) -> None:
    name, first = None, noise(1, 8_000)
    for count in range(30):
        with session(archive) as kept:
            content = first[: 8_000 - 250 * count] + noise(2, 250 * count)
            name = kept.put(content, like=name)
            kept.commit(archive.key("a"), name)
    bases = dict(archive.index.bases())
    assert 10 < len(bases) < 29
    assert not bases.keys() & set(bases.values())  # one step, never more


def test_an_index_that_is_gone_is_made_anew(archive: Archive) -> None:
    keys = [keep(archive, str(n), [noise(n, 3_000)]) for n in range(30)]
    before = archive.statistics()
    assert before.segments > 3
    archive.index.forget()
    assert archive.statistics() == before
    assert [contents_of(archive, key) for key in keys] == [[noise(n, 3_000)] for n in range(30)]


def test_a_damaged_index_is_made_anew(archive: Archive, caplog: pytest.LogCaptureFixture) -> None:
    key = keep(archive, "a", [noise(1)])
    archive.close()
    index = segments(archive)[0].with_name("index.db")
    index.write_bytes(b"no database at all" * 1000)
    with caplog.at_level(logging.WARNING):
        assert contents_of(archive, key) == [noise(1)]
    assert "made anew" in caplog.text


def test_what_another_process_wrote_is_there(archive: Archive) -> None:
    other = Archive(segments(archive)[0].parent if segments(archive) else archive.segments.folder)
    key = keep(other, "a", [noise(1)])
    assert contents_of(archive, key) == [noise(1)]
    keep(archive, "a", [noise(2)])
    assert contents_of(other, key, 2) == [noise(2)]
    other.close()


def test_an_index_behind_the_segments_catches_up(archive: Archive, tmp_path: Path) -> None:
    keep(archive, "a", [noise(1)])
    archive.close()
    index = archive.segments.folder / "index.db"
    old = index.read_bytes()
    for n in range(2, 40):
        key = keep(archive, "a", [noise(n)])
    archive.close()
    for path in archive.segments.folder.glob("index.db*"):
        path.unlink()
    index.write_bytes(old)  # as after a power cut
    assert archive.index.last_number(key) == 1
    assert contents_of(archive, key, 39) == [noise(39)]


@pytest.mark.parametrize("cut", [1, 40, HEAD_SIZE, HEAD_SIZE + 10, 500])
def test_a_torn_end_loses_what_was_not_acknowledged_and_nothing_else(
    archive: Archive, cut: int
) -> None:
    key = keep(archive, "a", [noise(1)])
    with session(archive) as kept:
        kept.put(noise(2))
        kept.flush()
    last = segments(archive)[-1]
    last.write_bytes(last.read_bytes()[:-cut])
    assert contents_of(archive, key) == [noise(1)]
    keep(archive, "a", [noise(3)])
    assert contents_of(archive, key, 2) == [noise(3)]
    archive.rebuild()
    assert contents_of(archive, key, 2) == [noise(3)]


def test_a_flipped_bit_is_found_and_named_and_the_rest_is_readable(archive: Archive) -> None:
    keys = [keep(archive, str(n), [noise(n)]) for n in range(8)]
    place = archive.index.find(archive.id_of(noise(3)))
    assert place is not None
    path = archive.segments.path(place.segment)
    data = bytearray(path.read_bytes())
    data[place.start + place.length - 10] ^= 1
    path.write_bytes(data)
    with pytest.raises(DamagedError, match=rf"00000001.pack, byte {place.start}"):
        contents_of(archive, keys[3])
    damages = archive.verify()
    assert [(each.segment, each.offset) for each in damages] == [(1, place.start)]
    archive.rebuild()
    assert [contents_of(archive, key) for key in keys[4:]] == [[noise(n)] for n in range(4, 8)]


def test_a_hole_in_a_segment_takes_only_what_was_in_it(archive: Archive) -> None:
    keys = [keep(archive, str(n), [noise(n)]) for n in range(8)]
    path = segments(archive)[0]
    data = bytearray(path.read_bytes())
    data[2_000:4_000] = bytes(2_000)
    path.write_bytes(data)
    archive.rebuild()
    readable = []
    for n, key in enumerate(keys):
        try:
            readable.append(contents_of(archive, key) == [noise(n)])
        except (DamagedError, AssertionError):
            readable.append(False)
    assert readable.count(True) >= 5
    assert readable[0]
    assert readable[-1]
    assert sum(each.size for each in archive.verify()) >= 2_000


def test_a_segment_that_is_gone_is_named(archive: Archive) -> None:
    keys = [keep(archive, str(n), [noise(n, 5_000)]) for n in range(12)]
    segments(archive)[1].unlink()
    lost = []
    for n, key in enumerate(keys):
        try:
            contents_of(archive, key)
        except (DamagedError, AssertionError):
            lost.append(n)
    assert 0 < len(lost) < 8


def test_numbers_are_given_once_whoever_asks(archive: Archive) -> None:
    key = archive.key("a")
    numbers: list[int] = []

    def work(seed: int) -> None:
        for n in range(25):
            with session(archive) as kept:
                numbers.append(kept.commit(key, kept.put(noise(seed * 100 + n))))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == list(range(1, 101))


def test_what_nobody_names_goes_and_numbers_do_not_come_back(archive: Archive) -> None:
    key = archive.key("a")
    name = None
    for n in range(60):
        with session(archive) as kept:
            name = kept.put(noise(n // 10, 2_000) + b"%d" % n, like=name)
            kept.commit(key, name)
    other = keep(archive, "b", [noise(0, 2_000) + b"0"])
    before = archive.statistics()
    drop(archive, key, range(1, 58))
    assert compact(archive, names_in) > before.size // 2
    for _ in range(2):
        assert [entry.number for entry in archive.index.entries(key)] == [58, 59, 60]
        assert contents_of(archive, key, 60) == [noise(5, 2_000) + b"59"]
        assert contents_of(archive, other) == [noise(0, 2_000) + b"0"]
        assert archive.verify() == []
        assert archive.index.last_number(key) == 60
        archive.rebuild()  # what was dropped stays dropped
    drop(archive, key, [58, 59, 60])
    archive.rebuild()
    keep(archive, "a", [noise(9)])
    assert archive.index.last_number(key) == 61


@pytest.mark.parametrize("is_cut", [True, False])
def test_a_segment_that_was_cut_off_takes_along_nothing_that_lies_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_cut: bool
) -> None:
    """As after a power cut in the middle of a compaction: copies lost, the index not."""
    archive = Archive(tmp_path / "archive", segment_size=1)
    with session(archive) as kept:
        precious = kept.put(noise(1, 20_000))
        kept.commit(archive.key("b"), precious)
        for seed in range(2, 6):
            kept.commit(archive.key("a"), kept.put(noise(seed, 20_000)))
    drop(archive, archive.key("a"), [1, 2, 3])
    before = set(archive.segments.numbers())

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Segments, "remove", stop)
    monkeypatch.setattr(Index, "remove_segment", stop)
    with pytest.raises(KeyboardInterrupt):
        compact(archive, lambda _session, _key, _number, content: [content])
    monkeypatch.undo()
    for number in set(archive.segments.numbers()) - before:
        path = archive.segments.path(number)
        os.truncate(path, 0) if is_cut else path.unlink()
    archive.close()
    again = Archive(tmp_path / "archive")
    with session(again) as kept:
        assert kept.get(precious) == noise(1, 20_000)
        assert [each.number for each in again.index.entries(again.key("a"))] == [4]
    assert again.damaged() == []
    again.close()


def test_the_index_leads_to_nothing_that_is_not_on_the_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither what waits for a commit, nor a copy, nor what a writer that died has left."""
    archive = Archive(tmp_path / "archive", segment_size=1)
    told: list[str] = []
    add = Index.add

    def see(self: Index, *args: Any, **keywords: Any) -> None:
        told.append("index")
        add(self, *args, **keywords)

    monkeypatch.setattr(Index, "add", see)
    with fault.watching(told.append):
        with session(archive) as kept:
            for seed in range(4):
                kept.put(noise(seed, 20_000))
                kept.flush()
                kept.commit(archive.key("a"), archive.id_of(noise(seed, 20_000)))
        drop(archive, archive.key("a"), [1, 2, 3])
        compact(archive, lambda _session, _key, _number, content: [content])
        archive.rebuild()
    steps = [each for each in told if each in {"write", "fsync", "index"}]
    assert steps.count("index") > 10
    before = [steps[at - 1] for at, each in enumerate(steps) if each == "index"]
    assert "write" not in before
    archive.close()


def test_entries_that_are_gone_are_counted(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    with session(archive) as kept:
        for seed in range(3):
            kept.commit(archive.key("a"), kept.put(noise(seed, 1_000)))
    drop(archive, archive.key("a"), [1])
    assert archive.damaged() == []
    archive.close()
    path = archive.segments.path(1)
    os.truncate(path, path.stat().st_size // 2)
    again = Archive(tmp_path / "archive")
    (*_, last) = again.damaged()
    assert "entries that were kept are gone" in last
    again.close()


def test_what_could_not_be_written_is_never_committed(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    with session(archive) as kept:
        kept.put(noise(1, 1_000))
        failing = fault.failing("write", 1, OSError(errno.ENOSPC, "injected"))
        with pytest.raises(OSError, match="no room"), failing:
            kept.flush()
        assert kept.is_broken
        with pytest.raises(WriteError, match="begin anew"):
            kept.commit(archive.key("a"), b"entry")
    with session(archive) as kept:
        assert not kept.has(archive.id_of(noise(1, 1_000)))
        kept.commit(archive.key("a"), kept.put(noise(1, 1_000)))
    archive.close()


def test_nobody_waits_for_ever_for_one_that_sleeps(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    other = Archive(tmp_path / "archive", patience=0.05)
    with archive.appending(), session(other) as kept:
        kept.put(b"content")
        with pytest.raises(LockedError, match="gave up after"):
            kept.flush()
    keep(other, "a", [b"content"])
    archive.close()
    other.close()
