import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pegboard.errors import UnavailableError
from pegboard_locking import PresenceFolder

ENTER = """
import sys
from pegboard_locking import PresenceFolder
presence = PresenceFolder(sys.argv[1]).enter()
print(presence.id, flush=True)
sys.stdin.read()
presence.leave()
"""


@pytest.fixture
def folder(tmp_path: Path) -> PresenceFolder:
    return PresenceFolder(tmp_path / "alive")


def start(folder: PresenceFolder) -> tuple[subprocess.Popen[str], str]:
    command = [sys.executable, "-c", ENTER, str(folder.path)]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def test_a_process_is_alive_until_it_leaves(folder: PresenceFolder) -> None:
    with folder.enter() as presence:
        assert presence.is_shown
        assert folder.is_alive(presence.id)
        assert folder.alive() == {presence.id}
    assert not presence.is_shown
    assert not folder.is_alive(presence.id)
    assert (folder.alive(), folder.dead()) == (set(), set())


def test_a_process_that_was_killed_is_dead_at_once_and_can_be_forgotten(
    folder: PresenceFolder,
) -> None:
    process, id_ = start(folder)
    with process:
        assert folder.is_alive(id_)
        folder.forget(id_)
        assert folder.is_alive(id_)
        process.send_signal(signal.SIGSTOP)
        assert folder.is_alive(id_)  # stopped is not dead
        process.kill()
    assert folder.dead() == {id_}
    folder.forget(id_)
    assert folder.dead() == set()


def test_a_process_that_leaves_in_order_leaves_nothing(folder: PresenceFolder) -> None:
    process, id_ = start(folder)
    with process:
        process.communicate(timeout=50)
    assert not folder.is_alive(id_)
    assert list(folder.path.iterdir()) == []


def test_an_id_that_nobody_has_is_dead(folder: PresenceFolder) -> None:
    assert not folder.is_alive("nobody")
    assert (folder.alive(), folder.dead()) == (set(), set())


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UnavailableError, match="presence cannot be shown"):
        PresenceFolder(tmp_path / "file" / "alive").enter()


def test_a_child_that_was_forked_does_not_keep_its_parent_alive(folder: PresenceFolder) -> None:
    source = """
import os, sys
from pegboard_locking import PresenceFolder
presence = PresenceFolder(sys.argv[1]).enter()
print(presence.id, flush=True)
if os.fork() == 0:
    print(os.getpid(), flush=True)
    os.kill(os.getppid(), 9)
    sys.stdin.read()
    os._exit(0)
os.wait()
"""
    command = [sys.executable, "-W", "ignore", "-c", source, str(folder.path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        id_, child = process.stdout.readline().strip(), int(process.stdout.readline())
        process.wait(50)
        os.kill(child, 0)  # it lives
        assert not folder.is_alive(id_)
        assert process.stdin is not None
        process.stdin.close()
