r"""What every lock provider has to do: subclass `LockSuite` and give it yours.

```python
class TestMyLocks(LockSuite):
    @pytest.fixture
    def setup(self, tmp_path: Path) -> str:
        return f"from my_locks import MyLocks\nprovider = MyLocks({str(tmp_path)!r})"
```

`setup` is the source of a program that makes `provider`. It is run here, and in other processes:
what it makes each time has to exclude what it made before.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import pytest
from anyio import to_thread

from pegboard.contracts.lock import LockProvider
from pegboard.errors import ConflictError, InputError

__all__ = ["LockSuite"]

TIMEOUT = 10.0  # seconds after which a lock is taken to hang
MANY = 8  # tasks or threads at once
NAMES = ("plain", "a/b", "../up", "größe 漢字", "with space\nand line", "x" * 5000, "nul\0", "🔒")

HOLDER = """
import sys
with provider.lock(sys.argv[1], shared=sys.argv[2] == "shared"):
    print("held", flush=True)
    sys.stdin.read()
"""
COUNTER = """
import sys
for _ in range(int(sys.argv[2])):
    with provider.lock("counter"):
        with open(sys.argv[1]) as file:
            number = int(file.read())
        with open(sys.argv[1], "w") as file:
            file.write(str(number + 1))
"""


class LockSuite:
    """The tests of one provider of locks."""

    @pytest.fixture
    def setup(self) -> str:
        """Return the source that makes `provider`."""
        raise NotImplementedError

    @pytest.fixture
    def provider(self, setup: str) -> LockProvider:
        """Return what the source makes."""
        return _made(setup)

    @pytest.fixture
    def other(self, setup: str) -> LockProvider:
        """Return another one that shares its locks with the first."""
        return _made(setup)

    # -- excluding -------------------------------------------------------------------------

    @pytest.mark.anyio
    async def test_one_task_at_a_time_holds_it_alone(self, provider: LockProvider) -> None:
        holders, most = 0, 0

        async def hold() -> None:
            nonlocal holders, most
            for _ in range(3):
                async with provider.lock("a"):
                    holders += 1
                    most = max(most, holders)
                    await anyio.lowlevel.checkpoint()
                    holders -= 1

        with anyio.fail_after(TIMEOUT):
            async with anyio.create_task_group() as group:
                for _ in range(MANY):
                    group.start_soon(hold)
        assert most == 1

    def test_one_thread_at_a_time_holds_it_alone(self, provider: LockProvider) -> None:
        lock = provider.lock("a")  # one object, entered by all
        number = 0

        def count() -> None:
            nonlocal number
            for _ in range(20):
                with lock:
                    seen = number
                    threading.Event().wait(0)  # lets others run
                    number = seen + 1

        _in_threads(count)
        assert number == 20 * MANY

    @pytest.mark.anyio
    async def test_threads_and_tasks_exclude_one_another(
        self, provider: LockProvider, other: LockProvider
    ) -> None:
        async with provider.lock("a"):
            with pytest.raises(ConflictError):
                await to_thread.run_sync(_enter, other.lock("a", timeout=0))
        with other.lock("a"), pytest.raises(ConflictError):
            async with provider.lock("a", timeout=0):
                raise AssertionError

    @pytest.mark.parametrize("name", NAMES)
    def test_any_text_is_a_name(self, provider: LockProvider, name: str) -> None:
        with provider.lock(name):
            assert provider.holders(name)
            with provider.lock(f"{name}2", timeout=0):
                pass
        assert not provider.holders(name)

    # -- sharing ---------------------------------------------------------------------------

    @pytest.mark.anyio
    async def test_shared_holders_hold_it_together_and_nobody_alone(
        self, provider: LockProvider, other: LockProvider
    ) -> None:
        together, done = anyio.Event(), anyio.Event()
        holders = 0

        async def hold(source: LockProvider) -> None:
            nonlocal holders
            async with source.lock("a", shared=True):
                holders += 1
                if holders == 2:
                    together.set()
                await done.wait()

        with anyio.fail_after(TIMEOUT):
            async with anyio.create_task_group() as group:
                group.start_soon(hold, provider)
                group.start_soon(hold, other)
                await together.wait()
                with pytest.raises(ConflictError):
                    await provider.lock("a", timeout=0).__aenter__()
                assert [each.shared for each in provider.holders("a")] == [True, True]
                done.set()
            async with provider.lock("a"):
                pass

    @pytest.mark.anyio
    async def test_readers_that_come_later_do_not_overtake_a_writer(
        self, provider: LockProvider, other: LockProvider, setup: str
    ) -> None:
        order: list[str] = []

        async def hold(source: LockProvider, what: str, *, shared: bool) -> None:
            async with source.lock("a", shared=shared):
                order.append(what)

        with anyio.fail_after(TIMEOUT):
            async with anyio.create_task_group() as group, provider.lock("a", shared=True):
                group.start_soon(_keyword(hold, other, "writer", shared=False))
                await _until_waiting(_made(setup))
                group.start_soon(_keyword(hold, provider, "reader", shared=True))
                await anyio.wait_all_tasks_blocked()
        assert order == ["writer", "reader"]

    # -- waiting ---------------------------------------------------------------------------

    @pytest.mark.anyio
    async def test_who_waits_gets_it_when_it_is_given_back(
        self, provider: LockProvider, other: LockProvider
    ) -> None:
        got = anyio.Event()

        async def wait() -> None:
            async with other.lock("a", timeout=TIMEOUT):
                got.set()

        async with anyio.create_task_group() as group, provider.lock("a"):
            group.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            assert not got.is_set()

    @pytest.mark.anyio
    async def test_who_waits_in_vain_is_told_who_holds_it(
        self, provider: LockProvider, other: LockProvider
    ) -> None:
        async with provider.lock("a"):
            with anyio.fail_after(TIMEOUT), pytest.raises(ConflictError, match="'a' is held by"):
                async with other.lock("a", timeout=0.05):
                    raise AssertionError
        async with other.lock("a", timeout=0):
            pass

    @pytest.mark.anyio
    async def test_who_is_cancelled_while_waiting_has_not_taken_it(
        self, provider: LockProvider, other: LockProvider
    ) -> None:
        with anyio.fail_after(TIMEOUT):
            async with provider.lock("a"):
                with anyio.move_on_after(0.02) as scope:
                    async with other.lock("a"):
                        raise AssertionError
                assert scope.cancelled_caught
            async with provider.lock("a", timeout=TIMEOUT):
                pass

    @pytest.mark.anyio
    async def test_a_block_that_raises_or_is_cancelled_gives_it_back(
        self, provider: LockProvider
    ) -> None:
        with pytest.raises(LookupError):
            async with provider.lock("a"):
                raise LookupError
        with pytest.raises(LookupError), provider.lock("a"):
            raise LookupError
        with anyio.CancelScope() as scope:
            async with provider.lock("a"):
                scope.cancel()
                await anyio.sleep_forever()
        async with provider.lock("a", timeout=0):
            pass

    @pytest.mark.anyio
    async def test_entering_it_twice_is_refused_and_does_not_hang(
        self, provider: LockProvider
    ) -> None:
        with provider.lock("a"), pytest.raises(RuntimeError, match="held here already"):
            provider.lock("a").__enter__()
        async with provider.lock("a"):
            with pytest.raises(RuntimeError, match="held here already"):
                await provider.lock("a", shared=True).__aenter__()

    def test_a_name_and_a_timeout_that_cannot_be_are_refused(self, provider: LockProvider) -> None:
        with pytest.raises(InputError, match="name"):
            provider.lock("")
        for timeout in (-1, float("nan")):
            with pytest.raises(InputError, match="waits 0 seconds"):
                provider.lock("a", timeout=timeout)

    # -- processes -------------------------------------------------------------------------

    @pytest.mark.parametrize("kind", ["alone", "shared"])
    def test_another_process_holds_it_until_it_is_killed(
        self, provider: LockProvider, setup: str, kind: str
    ) -> None:
        with _process(setup + HOLDER, "a", kind) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            (holder,) = provider.holders("a")
            assert holder.pid == process.pid
            assert holder.shared is (kind == "shared")
            with pytest.raises(ConflictError, match=str(process.pid)):
                _enter(provider.lock("a", timeout=0))
            process.kill()
            with provider.lock("a", timeout=TIMEOUT):
                assert [each.shared for each in provider.holders("a")] == [False]

    def test_processes_that_count_together_lose_nothing(
        self, setup: str, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        path = tmp_path_factory.mktemp("counter") / "counter"
        path.write_text("0")
        arguments = (setup + COUNTER, str(path), "25")
        with _process(*arguments) as first, _process(*arguments) as second:
            for each in (first, second):
                each.communicate(timeout=TIMEOUT * 3)
                assert each.returncode == 0
        assert path.read_text() == "50"


def _made(setup: str) -> LockProvider:
    names: dict[str, LockProvider] = {}
    exec(setup, names)  # noqa: S102 - the source is the author's of the provider
    return names["provider"]


def _enter(lock: Any) -> None:
    with lock:
        pass


def _keyword(function: Any, *args: Any, **keywords: Any) -> Any:
    async def call() -> None:
        await function(*args, **keywords)

    return call


async def _until_waiting(provider: LockProvider) -> None:
    """Wait until somebody wants the lock alone: then no reader gets it at once any more."""
    while True:
        try:
            async with provider.lock("a", shared=True, timeout=0):
                await anyio.lowlevel.checkpoint()
        except ConflictError:
            return


def _in_threads(function: Any) -> None:
    threads = [threading.Thread(target=function) for _ in range(MANY)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(TIMEOUT)
        assert not each.is_alive()


@contextmanager
def _process(source: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", source, *arguments]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:  # noqa: S603 - the same source
        try:
            yield process
        finally:
            process.kill()
