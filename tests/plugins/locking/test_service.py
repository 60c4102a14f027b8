import errno
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pegboard.errors import ForbiddenError, InputError
from pegboard_database import CorruptError
from pegboard_locking import (
    Bounds,
    CheckedOutError,
    FileMissingError,
    FileRepository,
    FileService,
    NotOwnerError,
    StaleCheckoutError,
)
from pegboard_locking._repository import ObjectStore


@pytest.fixture
def service(tmp_path: Path):
    service = FileService(tmp_path / "repo", tmp_path / "locks", may_override={"root"}.__contains__)
    yield service
    service.close()


def numbers(service: FileService, name: str) -> list[tuple[int, str]]:
    return [(each.number, each.author) for each in service.history(name)]


def test_a_check_in_stores_content_and_version_and_ends_the_check_out(
    service: FileService,
) -> None:
    service.add_file("a.txt", "ada", b"one", "first")
    held = service.checkout_file("a.txt", "ben", "mend it")
    assert held.base_version == 1
    version = service.checkin_file(
        "a.txt", "ben", b"two", token=held.token, fence=held.fence, base_version=1
    )
    assert version is not None
    assert (version.number, version.size, version.author, version.comment, version.fence) == (
        2,
        3,
        "ben",
        "mend it",
        1,
    )
    assert service.repository.read_file("a.txt") == b"two"
    assert [service.read_file("a.txt", number) for number in (1, 2)] == [b"one", b"two"]
    assert not service.lock_manager.is_locked("a.txt")


def test_what_the_owner_put_into_the_folder_is_checked_in(service: FileService) -> None:
    service.repository.write_file("a.mcam", b"one")
    service.checkout_file("a.mcam", "ada", "m")
    service.repository.write_file("a.mcam", b"two")
    version = service.checkin_file("a.mcam", "ada")
    assert version is not None
    assert numbers(service, "a.mcam") == [(2, "ada"), (1, "found in the folder")]


def test_a_check_in_without_a_change_is_no_version(service: FileService) -> None:
    service.add_file("a.txt", "ada", b"one")
    service.checkout_file("a.txt", "ada")
    assert service.checkin_file("a.txt", "ada") is None
    assert numbers(service, "a.txt") == [(1, "ada")]


def test_nothing_that_lay_in_the_folder_is_lost(service: FileService) -> None:
    service.add_file("a.txt", "ada", b"one")
    service.checkout_file("a.txt", "ada")
    service.repository.write_file("a.txt", b"by hand")
    version = service.checkin_file("a.txt", "ada", b"one")
    assert version is not None
    assert [service.read_file("a.txt", n) for n in (1, 2, 3)] == [b"one", b"by hand", b"one"]
    assert service.read_file("a.txt") == b"one"


def test_an_old_token_or_fence_or_base_is_refused_and_changes_nothing(
    service: FileService,
) -> None:
    service.add_file("a.txt", "ada", b"one")
    old = service.checkout_file("a.txt", "ada")
    service.lock_manager.break_lock("a.txt", "root", "forgotten")
    for shown in ({"token": old.token}, {"fence": old.fence}):
        with pytest.raises(StaleCheckoutError, match="has ended"):
            service.checkin_file("a.txt", "ada", b"late", **shown)
    new = service.checkout_file("a.txt", "ada")
    for shown in ({"token": old.token}, {"fence": old.fence}, {"base_version": 0}):
        with pytest.raises(StaleCheckoutError):
            service.checkin_file("a.txt", "ada", b"late", **shown)
    assert service.read_file("a.txt") == b"one"
    assert numbers(service, "a.txt") == [(1, "ada")]
    assert service.checkin_file("a.txt", "ada", b"in time", token=new.token) is not None


def test_only_the_owner_checks_in(service: FileService) -> None:
    service.add_file("a.txt", "ada", b"one")
    service.checkout_file("a.txt", "ada")
    with pytest.raises(NotOwnerError, match="Lock owned by ada, not ben"):
        service.checkin_file("a.txt", "ben", b"two")
    with pytest.raises(CheckedOutError, match="already locked by ada"):
        service.checkout_file("a.txt", "ben")
    with pytest.raises(ForbiddenError):
        service.lock_manager.steal_lock("a.txt", "ben", "mine")


def test_two_files_of_one_name_in_different_folders_share_nothing(service: FileService) -> None:
    service.add_file("x/a.txt", "ada", b"x")
    service.add_file("y/a.txt", "ada", b"y")
    service.checkout_file("x/a.txt", "ada")
    service.checkout_file("y/a.txt", "ben")
    service.checkin_file("x/a.txt", "ada", b"x2")
    assert service.read_file("y/a.txt") == b"y"
    assert [len(service.history(name)) for name in ("x/a.txt", "y/a.txt", "a.txt")] == [2, 1, 0]


def test_one_file_has_one_check_out_however_it_is_spelled(
    service: FileService, tmp_path: Path
) -> None:
    service.add_file("x/a.txt", "ada", b"x")
    (tmp_path / "repo" / "link").symlink_to("x")
    service.checkout_file("x/a.txt", "ada")
    for spelling in ("x/../x/a.txt", "./x//a.txt", "link/a.txt"):
        with pytest.raises(CheckedOutError):
            service.checkout_file(spelling, "ben")


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/passwd", "x/../../secret", "out/secret", "", ".", "a\0b"]
)
def test_a_name_that_leads_out_is_refused(service: FileService, tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "repo" / "out").symlink_to(tmp_path)
    calls = (
        lambda: service.checkout_file(name, "ada"),
        lambda: service.checkin_file(name, "ada", b"x"),
        lambda: service.read_file(name),
        lambda: service.add_file(name, "ada", b"x"),
        lambda: service.history(name),
        lambda: service.repository.write_file(name, b"x"),
        lambda: service.repository.get_file_path(name),
    )
    for call in calls:
        with pytest.raises(InputError):
            call()
    assert (tmp_path / "secret").read_text() == "secret"
    assert not service.repository.file_exists(name)


def test_a_file_that_is_missing_is_told(service: FileService) -> None:
    for call in (service.checkout_file, lambda name, _: service.read_file(name)):
        with pytest.raises(FileMissingError, match=r"File not found: a\.txt"):
            call("a.txt", "ada")
    with pytest.raises(FileMissingError, match="version 7"):
        service.read_file("a.txt", 7)


def test_a_file_is_added_once(service: FileService) -> None:
    service.add_file("a.txt", "ada", b"one")
    with pytest.raises(StaleCheckoutError, match="already"):
        service.add_file("a.txt", "ben", b"two")
    service.repository.write_file("b.txt", b"lies there")
    with pytest.raises(StaleCheckoutError, match="already"):
        service.add_file("b.txt", "ben", b"two")


def test_a_file_that_was_removed_is_given_back_without_a_version(
    service: FileService, tmp_path: Path
) -> None:
    service.add_file("a.txt", "ada", b"one")
    service.checkout_file("a.txt", "ada")
    (tmp_path / "repo" / "a.txt").unlink()
    assert service.checkin_file("a.txt", "ada") is None
    assert service.read_file("a.txt", 1) == b"one"


def test_what_a_killed_process_left_undone_is_done_by_the_next(
    service: FileService, tmp_path: Path, monkeypatch
) -> None:
    service.add_file("a.txt", "ada", b"one")
    service.checkout_file("a.txt", "ada")
    monkeypatch.setattr(FileService, "_settle", lambda *_: None)
    service.checkin_file("a.txt", "ada", b"two")
    assert service.repository.read_file("a.txt") == b"one"
    monkeypatch.undo()
    other = FileService(tmp_path / "repo", tmp_path / "locks")
    assert other.repository.read_file("a.txt") == b"two"
    other.close()


def test_a_damaged_content_is_named_and_the_rest_is_readable(
    service: FileService, tmp_path: Path
) -> None:
    service.add_file("a.txt", "ada", b"one")
    service.checkout_file("a.txt", "ada")
    service.checkin_file("a.txt", "ada", b"two")
    digest = service.history("a.txt")[1].digest
    (tmp_path / "locks-objects" / digest[:2] / digest[2:]).write_bytes(b"0ne")
    with pytest.raises(CorruptError, match=digest[:12]):
        service.read_file("a.txt", 1)
    assert service.read_file("a.txt", 2) == b"two"


def test_versions_come_in_pages(service: FileService) -> None:
    service.add_file("a.txt", "ada", b"1")
    for number in range(2, 8):
        service.checkout_file("a.txt", "ada")
        service.checkin_file("a.txt", "ada", str(number).encode())
    page = service.history("a.txt", limit=3)
    following = service.history("a.txt", before=page[-1].number, limit=3)
    assert [each.number for each in page + following] == [7, 6, 5, 4, 3, 2]


def test_the_repository_lists_files_by_their_end(tmp_path: Path) -> None:
    repository = FileRepository(tmp_path / "repo")
    for name in ("a.mcam", "B.MCAM", "c.vnc"):
        repository.write_file(name, b"12")
    (tmp_path / "repo" / "folder.mcam").mkdir()
    assert [each["name"] for each in repository.list_files()] == ["B.MCAM", "a.mcam"]
    assert len(repository.list_files("")) == 3


def objects(tmp_path: Path) -> int:
    return sum(path.is_file() for path in (tmp_path / "locks-objects").rglob("*"))


def work(service: FileService, content: bytes, *, name: str = "a.txt") -> None:
    service.checkout_file(name, "ada")
    service.checkin_file(name, "ada", content)


def bounded(tmp_path: Path, **bounds: float | None) -> FileService:
    clock = iter(range(1_000_000, 2_000_000)).__next__
    return FileService(tmp_path / "repo", tmp_path / "locks", clock=clock, bounds=Bounds(**bounds))


@pytest.mark.parametrize("bounds", [{"versions": 3}, {"size": 15}, {"age": 9.0}])
def test_the_oldest_versions_go_and_their_contents_with_them(
    tmp_path: Path, bounds: dict[str, float]
) -> None:
    service = bounded(tmp_path, **bounds)
    service.add_file("a.txt", "ada", b"0" * 5)
    service.add_file("b.txt", "ada", b"0" * 5)
    for number in range(1, 8):
        work(service, b"%d" % number * 5)
    kept = [each.number for each in service.history("a.txt")]
    assert kept == list(range(8, 8 - len(kept), -1))
    assert 1 < len(kept) < 5
    assert [service.read_file("a.txt", number) for number in kept] == [
        b"%d" % (number - 1) * 5 for number in kept
    ]
    assert objects(tmp_path) == len(kept) + 1
    assert service.read_file("b.txt", 1) == b"0" * 5, "one content, and another file has it"
    service.close()


def test_what_a_check_out_began_with_is_kept(tmp_path: Path) -> None:
    service = bounded(tmp_path, versions=1)
    service.add_file("a.txt", "ada", b"one")
    held = service.checkout_file("a.txt", "ben")
    (tmp_path / "repo" / "a.txt").write_bytes(b"by hand")
    service.prune()
    assert service.read_file("a.txt", held.base_version) == b"one"
    service.checkin_file("a.txt", "ben", b"two")
    assert [each.number for each in service.history("a.txt")] == [3]
    service.close()


def test_pruning_removes_what_no_version_has(tmp_path: Path) -> None:
    service = bounded(tmp_path, versions=None)
    service.add_file("a.txt", "ada", b"0")
    for number in range(1, 8):
        work(service, b"%d" % number)
    orphan = ObjectStore(tmp_path / "locks-objects").add(b"of a process that was killed")
    assert service.prune() == orphan.size
    service.close()
    service = bounded(tmp_path, versions=2)
    assert service.prune() == 6
    assert service.read_file("a.txt") == b"7"
    assert objects(tmp_path) == 2
    service.close()


def test_no_content_is_removed_while_somebody_adds_it(tmp_path: Path) -> None:
    service = bounded(tmp_path, versions=1)
    service.add_file("a.txt", "ada", b"one")
    other = FileService(tmp_path / "repo", tmp_path / "locks")
    with ThreadPoolExecutor(1) as pool, other._adding():
        other._objects.add(b"one")  # as a check-in does, which has no version yet
        pool.submit(work, service, b"two").result()
        assert objects(tmp_path) == 2
    assert service.prune() == 3
    other.close()
    service.close()


def test_the_trail_has_an_end(tmp_path: Path) -> None:
    service = bounded(tmp_path, audit=5)
    service.add_file("a.txt", "ada", b"0")
    for number in range(1, 8):
        work(service, b"%d" % number)
    assert [each.seq for each in service.lock_manager.audit()] == [11, 12, 13, 14, 15]
    service.close()


def test_a_check_in_that_is_refused_takes_no_room(service: FileService, tmp_path: Path) -> None:
    service.add_file("a.txt", "ada", b"one")
    service.checkout_file("a.txt", "ada")
    before = objects(tmp_path)
    with pytest.raises(NotOwnerError):
        service.checkin_file("a.txt", "mallory", b"large")
    with pytest.raises(StaleCheckoutError):
        service.add_file("a.txt", "mallory", b"large")
    assert objects(tmp_path) == before


def test_what_was_changed_before_a_version_was_in_its_place_is_a_version(
    service: FileService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.add_file("a.txt", "ada", b"one")
    service.checkout_file("a.txt", "ada")
    monkeypatch.setattr(FileService, "_settle", lambda *_: None)
    service.checkin_file("a.txt", "ada", b"two")
    monkeypatch.undo()
    (tmp_path / "repo" / "a.txt").write_bytes(b"by hand")
    assert service.read_file("a.txt") == b"two"
    kept = [service.read_file("a.txt", each.number) for each in service.history("a.txt")]
    assert kept == [b"two", b"by hand", b"two", b"one"]


def test_a_check_in_that_finds_no_room_in_the_folder_is_safe_and_said_so(
    service: FileService, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.add_file("a.txt", "ada", b"one")
    service.checkout_file("a.txt", "ada")

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "injected")

    monkeypatch.setattr(FileRepository, "write_file", refuse)
    version = service.checkin_file("a.txt", "ada", b"two")
    assert version is not None
    assert "will be put in its place later" in caplog.text
    assert service.read_file("a.txt") == b"two"
    service.checkout_file("a.txt", "ada")
    with pytest.raises(OSError, match="injected"):
        service.checkin_file("a.txt", "ada")  # what lies there is not what was checked in
    monkeypatch.undo()
    service.checkin_file("a.txt", "ada", b"three")
    assert [each.number for each in service.history("a.txt")] == [3, 2, 1]
