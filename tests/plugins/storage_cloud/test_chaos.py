"""Two machines under load while one is cut off, answers get lost, and the service is killed."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pegboard.contracts.storage import Entry, FileKey
from pegboard.errors import ConflictError, UnavailableError
from pegboard_storage_cloud import CloudStore
from pegboard_storage_cloud._remote import Remote
from tests.plugins.storage_cloud.conftest import redis_remote, s3_remote, store_on
from tests.servers.proxy import Proxy
from tests.servers.redis import RedisServer
from tests.servers.s3 import S3Server

SECONDS = float(os.environ.get("PEGBOARD_TEST_CHAOS_SECONDS", "1"))
"""How long the load lasts, and half of it the outage; 60 for the full run."""

BACKLOG = int(10 * SECONDS)
"""Files that are written once each during the outage."""

Server = S3Server | RedisServer


def key(name: str) -> FileKey:
    return FileKey(scope="mod_data", owner="", mod="chaos", name=name)


@dataclass
class Machine:
    """One store with its own outbox, and what became of the calls of its threads.

    Attributes:
        acknowledged: The last number that was acknowledged, by file.
        counted: Increments of the common counter that were acknowledged.
        slowest: Seconds that the longest call took.
        refused: Calls that were told that the service is away.
    """

    store: CloudStore
    acknowledged: dict[str, int] = field(default_factory=dict)
    counted: int = 0
    calls: int = 0
    refused: int = 0
    slowest: float = 0.0

    def own(self, name: str, stop: threading.Event) -> None:
        """Write a file that nobody else does, with and without a condition in turn."""
        version = None
        number = 0
        while not stop.is_set():
            number += 1
            expected = version if number % 2 else None
            written = self._timed(
                lambda expected=expected, number=number: self.store.write(
                    key(name), b"%d" % number, expected_version=expected
                )
            )
            if written is not None:
                version = written.version
                self.acknowledged[name] = number

    def count(self, stop: threading.Event) -> None:
        """Count in the file that all count in."""
        while not stop.is_set():
            try:
                done = self._timed(lambda: self.store.update(key("counter"), _increment))
                self.counted += done is not None
                if done is None:
                    stop.wait(0.01)
            except ConflictError:  # others were always faster: nothing was written
                stop.wait(0.01)

    def send(self, stop: threading.Event) -> None:
        """Send what waits, as the app does all the time."""
        while not stop.wait(max(self.store.wait, 0.05)):
            self.store.send_waiting()

    def _timed(self, function: Callable[[], object]) -> object:
        began = time.monotonic()
        self.calls += 1
        try:
            return function()
        except UnavailableError:
            self.refused += 1
            return None
        finally:
            self.slowest = max(self.slowest, time.monotonic() - began)

    def waiting(self, state: str) -> list[str]:
        assert self.store._outbox is not None
        items = self.store._outbox.items()
        return [each.path.rpartition("/")[2] for each in items if each.state == state]


def _increment(entry: Entry | None) -> bytes:
    return b"%d" % (1 if entry is None else int(entry.data) + 1)


@pytest.fixture(params=["s3", "redis"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    made: Server = (
        S3Server(recording=tmp_path / "recording")
        if request.param == "s3"
        else RedisServer(tmp_path / "redis")
    )
    with made:
        yield made


def remote(server: Server, port: int) -> Remote:
    if isinstance(server, S3Server):
        return s3_remote(server, "chaos", port=port)
    return redis_remote(server, "chaos", port=port)


@pytest.mark.timeout(600)
def test_an_outage_loses_nothing_and_makes_no_false_conflict(
    server: Server, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        proxy = stack.enter_context(Proxy(server.port))
        cut_off = Machine(store_on(remote(server, proxy.port), tmp_path / "a", pause=0.1))
        well_off = Machine(store_on(remote(server, server.port), tmp_path / "b", pause=0.1))
        stop, end = threading.Event(), threading.Event()
        machines = (cut_off, well_off)
        threads = [threading.Thread(target=cut_off.own, args=(f"a{n}", stop)) for n in range(3)]
        threads += [threading.Thread(target=well_off.own, args=("b0", stop))]
        threads += [threading.Thread(target=each.count, args=(stop,)) for each in machines]
        senders = [threading.Thread(target=each.send, args=(end,)) for each in machines]
        for thread in threads + senders:
            thread.start()
        drained = disturb(proxy, server, cut_off, stop)
        stop.set()
        for thread in threads:
            thread.join()
        while cut_off.waiting("waiting") or well_off.waiting("waiting"):
            end.wait(0.05)
        end.set()
        for thread in senders:
            thread.join()
        fresh = store_on(remote(server, server.port), tmp_path / "c")
        for machine in machines:
            for name, number in machine.acknowledged.items():
                found = fresh.read(key(name))
                assert found is not None
                assert int(found.data) >= number  # one that was not acknowledged may be there
            assert set(machine.waiting("conflict")) <= {"counter"}
        counter = fresh.read(key("counter"))
        assert counter is not None
        kept = len(cut_off.waiting("conflict")) + len(well_off.waiting("conflict"))
        counted = sum(each.counted for each in machines)
        slowest = max(each.slowest for each in machines)
        print(
            f"\ncalls {sum(each.calls for each in machines)}, slowest {slowest:.2f} s, "
            f"refused {sum(each.refused for each in machines)}, answers lost {proxy.swallowed}, "
            f"counted {counted}, counter {counter.data.decode()}, "
            f"kept as conflicts {kept}, {BACKLOG} files that waited were sent in {drained:.2f} s"
        )
        assert int(counter.data) + kept >= counted
        assert slowest <= cut_off.store.capabilities.deadline
        assert len(cut_off.acknowledged) == 3 + BACKLOG


def disturb(proxy: Proxy, server: Server, cut_off: Machine, stop: threading.Event) -> float:
    """Lose answers, cut a machine off for half of the time, kill the service for a moment.

    Returns:
        Seconds from the end of the outage until what had waited was sent.
    """
    for _ in range(10):
        stop.wait(SECONDS / 50)
        proxy.swallow_answers(2)
    proxy.swallow_answers(0)
    proxy.cut()
    began = time.monotonic()
    for number in range(BACKLOG):
        cut_off.store.write(key(f"late{number}"), b"1")
        cut_off.acknowledged[f"late{number}"] = 1
    stop.wait(max(began + SECONDS / 2 - time.monotonic(), 0))
    proxy.mend()
    began = time.monotonic()
    while any(name.startswith("late") for name in cut_off.waiting("waiting")):
        stop.wait(0.01)
    drained = time.monotonic() - began
    stop.wait(SECONDS / 10)
    server.kill()
    stop.wait(SECONDS / 10)
    server.start()
    stop.wait(SECONDS / 10)
    return drained
