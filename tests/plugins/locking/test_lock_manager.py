import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pegboard.errors import ForbiddenError, InputError
from pegboard_database import CorruptError
from pegboard_locking import (
    CheckedOutError,
    LockManager,
    NotCheckedOutError,
    StaleCheckoutError,
)


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def manager(tmp_path: Path, clock: Clock):
    manager = LockManager(
        tmp_path / "locks", lease=60, may_override={"root"}.__contains__, clock=clock
    )
    yield manager
    manager.close()


def actions(manager: LockManager, path: str | None = None) -> list[tuple[str, str, str]]:
    return [(each.action, each.who, each.owner) for each in manager.audit(path)]


def test_a_check_out_has_a_token_and_a_fence_that_grows_for_ever(manager: LockManager) -> None:
    first = manager.acquire_lock("a", "ada", "why")
    assert (first.fence, first.owner, first.comment, first.base_version) == (1, "ada", "why", 0)
    manager.release_lock("a", "ada")
    second = manager.acquire_lock("a", "ben")
    assert second.fence == 2
    assert second.token != first.token
    assert manager.acquire_lock("b", "ben").fence == 1


def test_nobody_but_the_owner_is_told_the_token(manager: LockManager) -> None:
    assert manager.acquire_lock("a", "ada").token
    found = manager.find("a")
    assert found is not None
    assert found.token == ""
    assert [each.token for each in manager.checkouts()] == [""]
    assert manager.break_lock("a", "root", "gone").token == ""


def test_what_has_expired_is_free_and_its_owner_is_late(manager: LockManager, clock: Clock) -> None:
    held = manager.acquire_lock("a", "ada")
    assert held.expires_at == datetime.fromtimestamp(clock.now + 60, UTC)
    clock.now += 59.9
    with pytest.raises(CheckedOutError):
        manager.acquire_lock("a", "ben")
    clock.now += 0.2
    assert not manager.is_locked("a")
    assert manager.load_locks() == {}
    with pytest.raises(NotCheckedOutError):
        manager.release_lock("a", "ada")
    with pytest.raises(StaleCheckoutError, match="has ended"):
        manager.renew("a", "ada", token=held.token)
    manager.acquire_lock("a", "ben")
    with pytest.raises(StaleCheckoutError, match="is ben's now"):
        manager.renew("a", "ada", token=held.token)
    assert actions(manager) == [
        ("take", "ada", ""),
        ("expire", "ada", "ada"),
        ("take", "ben", ""),
    ]


def test_a_check_out_that_is_renewed_stays(manager: LockManager, clock: Clock) -> None:
    held = manager.acquire_lock("a", "ada")
    for _ in range(5):
        clock.now += 50
        held = manager.renew("a", "ada", token=held.token)
    assert held.expires_at == datetime.fromtimestamp(clock.now + 60, UTC)
    assert manager.renew(
        "a", "ada", fence=held.fence, lease=5
    ).expires_at == datetime.fromtimestamp(clock.now + 5, UTC)
    assert held.fence == 1


def test_one_without_a_lease_never_ends_by_itself(tmp_path: Path, clock: Clock) -> None:
    manager = LockManager(tmp_path / "locks", clock=clock)
    assert manager.acquire_lock("a", "ada").expires_at is None
    clock.now += 1e9
    assert manager.is_locked("a")
    manager.close()


def test_only_those_who_may_break_and_steal_and_they_say_why(manager: LockManager) -> None:
    held = manager.acquire_lock("a", "ada")
    with pytest.raises(ForbiddenError, match="ben may not"):
        manager.break_lock("a", "ben", "want it")
    with pytest.raises(InputError, match="say why"):
        manager.steal_lock("a", "root", "  ")
    stolen = manager.steal_lock("a", "root", "ada is on holiday")
    assert (stolen.owner, stolen.fence) == ("root", 2)
    with pytest.raises(StaleCheckoutError, match="is root's now"):
        manager.renew("a", "ada", token=held.token)
    assert manager.break_lock("a", "root", "never mind").owner == "root"
    assert not manager.is_locked("a")
    with pytest.raises(NotCheckedOutError):
        manager.break_lock("a", "root", "again")
    assert actions(manager, "a") == [
        ("take", "ada", ""),
        ("steal", "root", "ada"),
        ("take", "root", ""),
        ("break", "root", "root"),
    ]


def test_the_trail_is_read_in_both_directions(manager: LockManager) -> None:
    for number in range(6):
        manager.acquire_lock(str(number), "ada")
    newest = [each.path for each in manager.audit(before=10**9, limit=2)]
    following = [each.path for each in manager.audit(after=4)]
    assert (newest, following) == (["5", "4"], ["4", "5"])


def test_names_that_differ_are_never_one(manager: LockManager) -> None:
    names = ["a.txt", "A.txt", "x/a.txt", "y/a.txt", "a.txt ", "é", "e\u0301", "'; drop table x--"]
    for name in names:
        manager.acquire_lock(name, "ada")
    assert sorted(manager.load_locks()) == sorted(names)
    assert [each.path for each in manager.checkouts("x/")] == ["x/a.txt"]


@pytest.mark.parametrize("name", ["", "x" * 1025, "a\0b", "\ud800"])
def test_a_name_that_cannot_be_is_refused(manager: LockManager, name: str) -> None:
    with pytest.raises(InputError):
        manager.acquire_lock(name, "ada")


def test_save_locks_replaces_all_in_one_step(manager: LockManager) -> None:
    manager.acquire_lock("old", "ada")
    manager.save_locks({"new": {"user": "ben", "message": "m"}})
    assert {name: each["user"] for name, each in manager.load_locks().items()} == {"new": "ben"}
    with pytest.raises(InputError, match="no user"):
        manager.save_locks({"x": {}})
    assert list(manager.load_locks()) == ["new"]


def test_a_json_file_of_an_older_program_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "locks.json"
    entry = {"user": "ada", "timestamp": "2026-01-01T00:00:00+00:00", "message": "m"}
    path.write_text(json.dumps({"a.mcam": entry}))
    manager = LockManager(path)
    info = manager.get_lock_info("a.mcam")
    assert info is not None
    assert (info["user"], info["message"]) == ("ada", "m")
    manager.close()
    assert json.loads((tmp_path / "locks.json.imported").read_text()) == {"a.mcam": entry}
    again = LockManager(path)
    assert again.is_locked("a.mcam")
    again.close()


@pytest.mark.parametrize("content", ["{", "[]", '{"a": 1}', '{"a": {}}', "\x00\x01"])
def test_a_damaged_file_is_not_taken_for_no_locks(tmp_path: Path, content: str) -> None:
    path = tmp_path / "locks.json"
    path.write_text(content)
    with pytest.raises(CorruptError):
        LockManager(path)
    assert path.read_text() == content
