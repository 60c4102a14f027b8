"""Brings changed code live, one change after the other, and sees old generations out."""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable, Collection, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import msgspec
from anyio import to_thread

from pegboard._halves import Unfinished
from pegboard._mod_reload import ModReload
from pegboard._part import Plan
from pegboard._patience import Kind, Patience
from pegboard._plugin_reload import PluginReload
from pegboard._retirement import Retired, RetiredReport, collect
from pegboard._sync import changes_of
from pegboard.contracts.reload import Reloaded
from pegboard.errors import NotFoundError, UnavailableError

if TYPE_CHECKING:
    from pegboard._app import App
    from pegboard._edition import Edition
    from pegboard._mods import ModStatus
    from pegboard._plugins import PluginStatus
    from pegboard._registry import Generation

__all__ = ["Reloader"]

QUIET = 1.0
"""Seconds without a reload after which garbage is collected, so that old generations go."""

MANY_GENERATIONS = 32
"""Retired generations that are still there, at which garbage is collected without more waiting."""

FIRST_ANSWERS = 0.025
"""Seconds that new code gets to give its first answers, before garbage of old code is collected."""

LAST_WAIT = 2.0
"""Seconds that new code which is being executed gets to end, when the app stops."""

_logger = logging.getLogger("pegboard.reload")


class Reloader:
    """Replaces mods and plugins of an app that runs.

    What fails leaves the version before in place: that is noted in the status of the mod or
    plugin, logged, and told to the plugins that implement `reloaded`.

    Attributes:
        hand_over: Has a new process take over from this one, where somebody can do that: for the
            plugins that cannot be replaced within a process.
        page_script: Path of a script that shows in a page what became of each change; empty where
            nobody watches files.
    """

    def __init__(self, app: App) -> None:
        self.hand_over: Callable[[], None] | None = None
        self.page_script = ""
        self._app = app
        self._opened = anyio.Event()
        self._lock = anyio.Lock()
        self._patience = Patience()
        self._mods = ModReload(app, self._retire, self._patience)
        self._plugins = PluginReload(app, self._retire, self._patience)
        self._is_closed = self._is_abandoned = False
        self._due: set[Path] | None = set()
        self._retired: list[Retired] = []
        self._draining = 0
        self._sweeping = False

    async def reload(self, name: str | None = None) -> list[Reloaded]:
        """Replace a mod or plugin by the code that is on disk, whether or not that has changed.

        Args:
            name: Which one; None for everything that has changed.

        Raises:
            NotFoundError: If there is neither a mod nor a plugin of that name.
            UnavailableError: If new code does not end, so that nothing can be replaced.
        """
        for kind, stuck, place in self._patience.stuck():
            msg = f"{kind} {stuck}: {place}; until it ends, nothing is reloaded: start anew"
            raise UnavailableError(msg)
        if name is None:
            return await self.follow(None)
        self._check_known(name)
        if name in self._mods.names:
            return await self._locked(lambda: self._planned(forced={name}))
        return await self._locked(lambda: self._replaced_by_hand(name))

    def _check_known(self, name: str) -> None:
        names = [*self._mods.names, *self._plugins.names]
        if name not in names:
            msg = f"there is no mod or plugin {name!r} to reload; there are: {', '.join(names)}"
            raise NotFoundError(msg)

    async def reload_everywhere(self, name: str | None = None) -> list[Reloaded]:
        """Do as `reload` does in each process that serves the project, and here in any case.

        What does not serve is among the answers, as often as one asks.

        Raises:
            NotFoundError: If there is neither a mod nor a plugin of that name.
            UnavailableError: If new code does not end, or a process does not answer.
        """
        from pegboard._serving.control import obey, reload_all

        if name is not None:
            self._check_known(name)
        answers = await to_thread.run_sync(reload_all, self._app.data, name)
        if os.getpid() not in {process for process, _ in answers}:
            answers.append((os.getpid(), await obey(self._app, "reload", name)))
        return [
            msgspec.structs.replace(each, process=process)
            for process, outcomes in answers
            for each in outcomes
        ]

    def unserved(self, name: str | None = None) -> list[Reloaded]:
        """Return what does not serve, or whose newest code does not, as one is told once only.

        Args:
            name: Of which mod or plugin; None for all.
        """
        plugins, mods = self._app.plugins, self._app.mods
        reasons: dict[tuple[Kind, str], str] = {
            **{("plugin", key): _problem(each) for key, each in plugins.status.items()},
            **{("mod", key): _problem(each) for key, each in mods.status.items()},
        }
        reasons |= {(kind, key): place for kind, key, place in self._patience.stuck()}
        return [
            Reloaded(
                kind=kind,
                name=key,
                outcome="rejected",
                generation=self._number(kind, key),
                reason=reason,
            )
            for (kind, key), reason in reasons.items()
            if reason and name in {None, key}
        ]

    def stuck(self) -> list[Reloaded]:
        """Return the mods and plugins whose new code does not end, at which line it is."""
        names = {(kind, name) for kind, name, _ in self._patience.stuck()}
        return [each for each in self.unserved() if (each.kind, each.name) in names]

    def _number(self, kind: Kind, name: str) -> int:
        """Return the number of the generation that serves, 0 for none."""
        if kind == "plugin":
            active = self._app.plugins.active.get(name)
            return 0 if active is None else active.generation.number
        serving = self._app.mods.generations.get(name)
        return 0 if serving is None else serving.number

    async def _replaced_by_hand(self, name: str) -> list[Reloaded]:
        wanted = await to_thread.run_sync(self._plugins.wanted, {name})
        if self.hand_over is None or not wanted.needs_restart:
            return await self._plugins.run(wanted)
        self.hand_over()
        number = self._number("plugin", name)
        outcome = Reloaded(kind="plugin", name=name, outcome="restarting", generation=number)
        return [outcome]

    async def _replaced(
        self, plugins: set[str], unfinished: Unfinished | None = None
    ) -> list[Reloaded]:
        wanted = await to_thread.run_sync(self._plugins.wanted, plugins)
        return await self._plugins.run(wanted, unfinished)

    def folders(self) -> set[Path]:
        """Return the folders whose files can be followed: of mods, and of editable packages."""
        return self._mods.folders()

    async def follow(
        self, paths: Collection[Path] | None, *, unfinished: Unfinished | None = None
    ) -> list[Reloaded]:
        """Bring live what has changed: new, changed, renamed and removed files.

        A file that is as it was, or that nobody uses, changes nothing. New code that is still
        beginning is given up, and tried again with what has changed since.

        Args:
            paths: Files that may have changed; None looks at all of them.
            unfinished: Says, in a thread, whether a file is only half written; new code with such
                a file, or with one that was written since it was read, is dropped without a word.
                The next call looks at the files of that code, too.
        """
        self.interrupt()
        return await self._locked(lambda: self._followed(paths, unfinished))

    async def _followed(
        self, paths: Collection[Path] | None, unfinished: Unfinished | None
    ) -> list[Reloaded]:
        # What is dropped, or fails in the middle, is due until a further change brings it live.
        due = self._due = None if paths is None or self._due is None else self._due.union(paths)
        dropped = self._mods.dropped = self._plugins.dropped = set()
        changed, outcomes, plan = await to_thread.run_sync(self._looked, due)
        if changed:
            outcomes += await self._replaced(changed, unfinished)
            plan = await to_thread.run_sync(self._mods.plan, due)
        outcomes += await self._mods.run(plan, unfinished)
        self._due = dropped
        return outcomes

    def _looked(self, paths: Collection[Path] | None) -> tuple[set[str], list[Reloaded], Plan]:
        """Look at everything in one go: each way to a thread and back costs time."""
        return *self._plugins.changed(paths), self._mods.plan(paths)

    async def _planned(self, **what: Any) -> list[Reloaded]:
        return await self._mods.run(await to_thread.run_sync(partial(self._mods.plan, **what)))

    def interrupt(self) -> None:
        """Give up new code whose initial functions or lifespan still run, as a change is to come.

        What is given up is rejected, and tried again by the next `follow`.
        """
        self._patience.interrupt()

    async def sync(self) -> list[Reloaded]:
        """Follow what is installed, and what the manifest allows: distributions come and go.

        Raises:
            ConfigError: If the manifest is wrong.
        """
        return await self._locked(self._synced)

    async def _synced(self) -> list[Reloaded]:
        outcomes = []
        for wanted in await to_thread.run_sync(changes_of, self._app):
            outcomes += await self._plugins.run(self._plugins.completed(wanted))
        return outcomes + await self._planned(installed=True)

    async def _locked(self, work: Callable[[], Awaitable[list[Reloaded]]]) -> list[Reloaded]:
        await self._opened.wait()
        async with self._lock:
            outcomes = [] if self._is_closed else await work()
        for each in outcomes:
            self._announce(each)
        return outcomes

    def _announce(self, outcome: Reloaded) -> None:
        if outcome.outcome == "rejected":
            goes_on = "what was before goes on" if outcome.generation else "it does not serve"
            _logger.error("%s: %s; %s", outcome.name, goes_on, outcome.reason)
        elif outcome.reason:
            _logger.warning("%s %s %s: %s", *_told(outcome), outcome.reason)
        else:
            _logger.info(
                "%s %s %s, generation %d, in %.1f ms",
                *_told(outcome),
                outcome.generation,
                outcome.seconds * 1000,
            )
        if not self._is_abandoned:  # else the plugins are about to go
            self._app.hooks.all("reloaded", app=self._app, outcome=outcome)

    def _retire(
        self,
        generation: Generation,
        editions: Iterable[Edition],
        wrapped: Iterable[Generation] = (),
    ) -> None:
        retired = Retired(generation, editions, wrapped)
        self._retired.append(retired)
        self._draining += 1
        self._app.tasks.start_soon(self._see_out, retired, name=f"drain of {generation!r}")

    async def _see_out(self, retired: Retired) -> None:
        try:
            await retired.drain()
        finally:
            self._draining -= 1
        if len(self._retired) == MANY_GENERATIONS:
            await anyio.sleep(FIRST_ANSWERS)
            self._collect()
        elif not self._sweeping:
            self._sweeping = True
            self._app.tasks.start_soon(self._sweep, name="collection of old generations")

    async def _sweep(self) -> None:
        """Collect garbage once it is quiet; each collection stops the process for a moment."""
        count = 0
        while count != len(self._retired):
            count = len(self._retired)
            await anyio.sleep(QUIET)
        self._sweeping = False
        self._collect()

    def _collect(self) -> None:
        collect()
        self._retired = [each for each in self._retired if not each.is_gone]

    async def settle(self) -> list[RetiredReport]:
        """Wait until nothing runs in old generations; return those that are there all the same."""
        for each in list(self._retired):
            await each.drained.wait()
        return self.retired()

    def retired(self) -> list[RetiredReport]:
        """Return the generations that no longer serve and are still there.

        Garbage is collected first, which stops the process for a moment.
        """
        self._collect()
        return [each.report() for each in self._retired]

    @property
    def draining(self) -> int:
        """How many old generations still have something to end."""
        return self._draining

    def open(self) -> None:
        """Begin with changes that were asked for, now that the app has started."""
        self._opened.set()

    async def close(self) -> None:
        """Let a change that is on its way end, unless that takes long, and begin no other."""
        self._opened.set()
        self._patience.interrupt()
        with anyio.move_on_after(LAST_WAIT):
            async with self._lock:
                self._is_closed = True
        if not self._is_closed:
            self._is_closed = self._is_abandoned = True
            self._patience.abandon()
            self._app.library.abandon()
            async with self._lock:
                pass

    async def aclose(self) -> None:
        """Undo what old generations have registered, whatever still runs in them."""
        for each in self._retired:
            await each.aclose()
        self._retired.clear()


def _told(outcome: Reloaded) -> tuple[str, str, str]:
    return outcome.kind, outcome.name, outcome.outcome


def _problem(status: PluginStatus | ModStatus) -> str:
    """Say why it does not serve, or its newest code does not."""
    return status.rejected or (status.reason if status.state in {"failed", "incompatible"} else "")
