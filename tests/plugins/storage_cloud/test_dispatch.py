"""A backlog is sent several files at a time, and what is wrong with one holds no other one up."""

from threading import Barrier

import pytest

from pegboard.errors import ConfigError, CorruptError
from pegboard_storage_cloud._dispatch import SENDERS, all_sent

PATHS = [str(number) for number in range(1 + 3 * SENDERS)]


def test_after_the_first_one_files_are_sent_several_at_a_time() -> None:
    meeting = Barrier(SENDERS)
    sent: list[str] = []

    def send(path: str) -> bool:
        if sent:
            meeting.wait(10)  # for so many at once
        sent.append(path)
        return True

    assert all_sent(send, PATHS)
    assert sorted(sent) == sorted(PATHS)


@pytest.mark.parametrize("paths", [[], PATHS[:1]])
def test_few_or_no_files_are_sent_as_well(paths: list[str]) -> None:
    sent: list[str] = []
    assert all_sent(lambda path: sent.append(path) is None, paths)
    assert sent == paths


def test_nothing_more_is_begun_when_the_service_is_away() -> None:
    sent: list[str] = []
    assert not all_sent(lambda path: sent.append(path) is not None, PATHS)
    assert sent == PATHS[:1]


def test_a_file_that_cannot_be_sent_holds_no_other_one_up() -> None:
    sent: list[str] = []

    def send(path: str) -> bool:
        if path == PATHS[1]:
            raise CorruptError("damaged")
        sent.append(path)
        return True

    with pytest.raises(CorruptError, match="damaged"):
        all_sent(send, PATHS)
    assert len(sent) == len(PATHS) - 1


@pytest.mark.parametrize("error", [ConfigError("refused"), RuntimeError("closed")])
def test_a_service_that_may_not_be_used_is_not_asked_for_every_file(error: Exception) -> None:
    asked: list[str] = []

    def send(path: str) -> bool:
        asked.append(path)
        raise error

    with pytest.raises(type(error)):
        all_sent(send, PATHS)
    assert len(asked) <= SENDERS + 1
