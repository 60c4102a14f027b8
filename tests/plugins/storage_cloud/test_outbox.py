"""The outbox itself: what waits, in which order, and who may decide about it."""

from pathlib import Path

import pytest

from pegboard.contracts.storage import ABSENT
from pegboard.errors import ConflictError, NotFoundError
from pegboard_database import Database
from pegboard_storage_cloud._identity import Writer
from pegboard_storage_cloud._outbox import OUTBOX, Outbox, Waiting
from pegboard_storage_cloud._remote import Write


@pytest.fixture
def boxes(tmp_path: Path) -> list[Outbox]:
    """Two processes' handles of one outbox, and that of another service in the same file."""
    database = Database(tmp_path / "outbox.sqlite", OUTBOX)
    return [Outbox(database, target, limit=10**6) for target in ("a", "a", "b")]


def put(box: Outbox, data: bytes | None = b"[]", expected: str | None = None) -> Write:
    write = Write(version=Writer().new_version(), data=data, expected=expected)
    box.append("p", write, base=ABSENT, is_sent=False)
    return write


def claimed(box: Outbox) -> Waiting:
    item = box.claim("p")
    assert item is not None
    return item


def test_what_another_process_has_sent_meanwhile_is_no_conflict(boxes: list[Outbox]) -> None:
    ours, theirs, _ = boxes
    put(ours)
    item = claimed(ours)
    theirs.settle(claimed(theirs))
    assert not ours.keep_both(item, "0" * 32)
    assert ours.items() == []


def test_what_was_sent_stays_as_it_is_and_the_next_one_follows_it(boxes: list[Outbox]) -> None:
    box = boxes[0]
    first = put(box, b"[1]")
    assert claimed(box).write == Write(version=first.version, data=b"[1]", expected=ABSENT)
    put(box, b"[2]")
    third = put(box, b"[3]")
    sent, waiting = box.items()
    assert (sent.version, waiting.version) == (first.version, third.version)
    assert waiting.expected == first.version
    last = box.latest("p")
    assert last is not None
    assert last.data == b"[3]"


def test_a_write_on_another_condition_is_refused(boxes: list[Outbox]) -> None:
    box = boxes[0]
    first = put(box, expected=ABSENT)
    for expected in (ABSENT, "0" * 32):
        with pytest.raises(ConflictError):
            put(box, expected=expected)
    second = put(box, None, expected=first.version)
    put(box, expected=ABSENT)  # the file is gone by then
    assert second.version not in [each.version for each in box.items()]


def test_a_conflict_is_decided_only_when_nothing_else_waits(boxes: list[Outbox]) -> None:
    box = boxes[0]
    put(box, b"[1]")
    with pytest.raises(NotFoundError, match="no conflict"):
        box.resolve(1, "theirs")
    assert box.keep_both(claimed(box), "1" * 32)
    put(box, b"[2]")
    with pytest.raises(ConflictError, match="another write waits"):
        box.resolve(1, "mine")
    box.settle(claimed(box))
    box.resolve(1, "mine")
    item = claimed(box)
    assert (item.expected, item.data) == ("1" * 32, b"[1]")


def test_each_service_has_its_own_and_all_are_shown(boxes: list[Outbox]) -> None:
    box, _, other = boxes
    put(box)
    assert other.latest("p") is None
    assert other.paths() == []
    assert other.items() == []
    assert len(other.items(all_targets=True)) == 1
