"""Replacing, adding and removing plugins: activated beside the old ones, committed at once.

What serves is changed in `_Change.commit` only, which has no `await` in it: hooks, services,
attributes, modules, exports wrapped anew, routes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import msgspec

from pegboard._discovery import reread
from pegboard._halves import Unfinished, UnfinishedError, refuse_halves
from pegboard._library import Library
from pegboard._loader import placed, rebuilt_mod, refresh_finders
from pegboard._plugins import PluginStage, PluginView, in_order, incompatibility
from pegboard._reference import loading
from pegboard._wanted import Wanted, given_by, required_by
from pegboard.contracts.reload import Outcome, Reloaded
from pegboard.errors import LoadError, PluginError

if TYPE_CHECKING:
    from pegboard._app import App
    from pegboard._build import Build
    from pegboard._discovery import ModCandidate, PluginCandidate
    from pegboard._edition import Edition
    from pegboard._loader import LoadedMod
    from pegboard._patience import Patience
    from pegboard._registry import Generation, Staged
    from pegboard.contracts.asgi import Route

__all__ = ["PluginReload"]

_logger = logging.getLogger("pegboard.reload")

NEEDS_RESTART = (
    "its manifest says that it needs a new process: `pegboard reload {0}` has one take over from "
    "`pegboard serve`; elsewhere start anew"
)

Retire = Callable[["Generation", Iterable["Edition"], Iterable["Generation"]], None]


class PluginReload:
    """Changes the plugins of an app that runs.

    Args:
        app: The app.
        retire: Takes each generation that is gone, its modules, and the generations of mods that
            were wrapped by it.
        patience: Bounds how long new code may take to begin.

    Attributes:
        dropped: Files of new code that was dropped without a word, as one was only half there.
    """

    def __init__(self, app: App, retire: Retire, patience: Patience) -> None:
        self.dropped: set[Path] = set()
        self._app = app
        self._patience = patience
        self._retire = retire

    @property
    def names(self) -> list[str]:
        """The plugins that could be replaced, or activated after all."""
        return sorted({*self._app.plugins.units().values(), *self._broken()})

    def _broken(self) -> dict[str, PluginCandidate]:
        """Return those that do not serve and should."""
        plugins = self._app.plugins
        return {
            name: each.candidate
            for name, each in plugins.status.items()
            if name not in plugins.active and each.state != "off" and each.candidate.unit
        }

    def changed(self, paths: Collection[Path] | None) -> tuple[set[str], list[Reloaded]]:
        """Return the plugins whose code has changed, and those that are as they were again."""
        found, mended = set(), []
        for unit, name in self._app.plugins.units().items():
            edition, status = self._app.library.editions[unit], self._app.plugins.status[name]
            if _differs(edition, None if status.rejected else paths):
                found.add(name)
            elif status.rejected:
                status.rejected = ""
                number = self._app.plugins.active[name].generation.number
                mended.append(
                    Reloaded(kind="plugin", name=name, outcome="mended", generation=number)
                )
        return found, mended

    def wanted(self, names: Collection[str]) -> Wanted:
        """Return what to replace if these plugins are: they, and those that require them."""
        active = {name: each.candidate for name, each in self._app.plugins.active.items()}
        found, more = set(names), set(names)
        while more:
            given = {cap for name in more & active.keys() for cap in given_by(active[name])}
            more = {
                name
                for name, each in active.items()
                if name not in found and not given.isdisjoint(required_by(each))
            }
            found |= more
        broken = self._broken()
        return Wanted(
            replaced=tuple(each for name, each in active.items() if name in found),
            added=tuple(broken[name] for name in sorted(broken.keys() & set(names))),
        )

    def completed(self, wanted: Wanted) -> Wanted:
        """Return a change with those that require what is replaced in it."""
        if not wanted.replaced:
            return wanted
        newer = {each.name: each for each in wanted.replaced}
        everyone = self.wanted(newer.keys() & self._app.plugins.active.keys()).replaced
        replaced = tuple(newer.get(each.name, each) for each in everyone)
        return msgspec.structs.replace(wanted, replaced=replaced)

    async def run(self, wanted: Wanted, unfinished: Unfinished | None = None) -> list[Reloaded]:
        """Change the plugins; what fails leaves all of them as they are."""
        begun = perf_counter()
        change = _Change(self._app, wanted, unfinished, self._patience)
        try:
            await change.prepare()
            change.check()
        except UnfinishedError:
            await change.undo()
            self.dropped |= _files(self._app.library, [each.unit for each in wanted.coming])
            return []
        except (Exception, SystemExit) as error:  # noqa: BLE001 - of whatever kind, it is told
            await change.undo()
            return list(self._rejected(wanted, _reason(error, wanted)))
        except BaseException:
            await change.undo()
            raise
        rebuilt = [each.candidate for each in change.loaded]
        withdrawn = change.withdrawn
        for generation, editions, wrapped in change.commit():
            self._retire(generation, editions, wrapped)
        accepted = self._accepted(wanted, rebuilt, perf_counter() - begun)
        return [*accepted, *withdrawn]

    def _accepted(
        self, wanted: Wanted, rebuilt: list[ModCandidate], seconds: float
    ) -> Iterator[Reloaded]:
        active = self._app.plugins.active
        outcomes: list[tuple[str, Outcome]] = [
            *((name, "removed") for name in wanted.removed),
            *((each.name, "reloaded") for each in wanted.replaced),
            *((each.name, "loaded") for each in wanted.added),
        ]
        for name, outcome in outcomes:
            number = active[name].generation.number if name in active else 0
            yield Reloaded(
                kind="plugin", name=name, outcome=outcome, generation=number, seconds=seconds
            )
        for each in rebuilt:
            self._app.mods.note_active(each)
            number = self._app.mods.generations[each.name].number
            yield Reloaded(kind="mod", name=each.name, outcome="reloaded", generation=number)

    def _rejected(self, wanted: Wanted, reason: str) -> Iterator[Reloaded]:
        plugins = self._app.plugins
        for each in wanted.coming:
            if plugins.note_rejected(each, reason):
                active = plugins.active.get(each.name)
                number = 0 if active is None else active.generation.number
                yield Reloaded(
                    kind="plugin",
                    name=each.name,
                    outcome="rejected",
                    generation=number,
                    reason=reason,
                )


class _Change:
    """A change on its way: prepared, and then committed or undone."""

    def __init__(
        self, app: App, wanted: Wanted, unfinished: Unfinished | None, patience: Patience
    ) -> None:
        self._app = app
        self._patience = patience
        self._wanted = wanted
        self._unfinished = unfinished
        self._build: Build | None = None
        self._stage = PluginStage(app, going={*wanted.removed, *(e.name for e in wanted.replaced)})
        self._view: PluginView | None = None
        self._staged: list[Staged] = []
        self._fresh: list[Generation] = []
        self._withdrawn: dict[Generation, str] = {}
        self._routes: list[Route] = []
        self._takes: dict[str, Callable[[], None]] = {}
        self.loaded: list[LoadedMod] = []

    async def prepare(self) -> None:
        """Run the new code beside the old, activate the plugins, wrap the exports anew.

        Raises:
            Exception: Whatever is wrong with it.
        """
        ordered, objects = await self._run_code()
        with self._stage.entered():
            for candidate in ordered:
                edition = None if self._build is None else self._build.fresh.get(candidate.unit)
                with self._patience.bounded(candidate.name):
                    await self._app.plugins.activate_staged(
                        self._stage, candidate, objects[candidate.name], edition
                    )
            self._view = self._app.plugins.staged_view(self._stage)
            await self._wrap(self._view)
            self._app.registry.check(*self._staged, leaving=self._withdrawn)
            self._routes = self._app.routes_of(self._view.hooks)

    async def _run_code(self) -> tuple[list[PluginCandidate], dict[str, Any]]:
        coming = [reread(each) for each in self._wanted.coming]
        for each in coming:
            reason = incompatibility(each)
            if each.manifest is not None and each.manifest.reload == "restart":
                is_new = each in self._wanted.added
                reason = None if is_new else NEEDS_RESTART.format(each.name)
            if reason is not None:
                msg = f"plugin {each.name}: {reason}"
                raise PluginError(msg)
        staying = [
            each.candidate
            for name, each in self._app.plugins.active.items()
            if name not in self._stage.going
        ]
        ordered, refused = in_order([*staying, *coming])
        for each, reason in refused:
            msg = f"plugin {each.name}: {reason}"
            raise PluginError(msg)
        with loading(self._app):
            objects, self.loaded, self._build = await self._patience.execute(
                "plugin",
                [each.name for each in coming],
                partial(self._built, coming),
                _roots(coming),
            )
        names = {each.name for each in coming}
        return [each for each in ordered if each.name in names], objects

    def _built(
        self, coming: list[PluginCandidate]
    ) -> tuple[dict[str, Any], list[LoadedMod], Build]:
        library = self._app.library
        units = {each.unit for each in coming} - {""}
        for unit in units:
            library.register(unit)
        mods = self._mods_of(library, units)
        files = _files(library, units)
        refresh_finders({each.parent for each in files})
        library.prepare(files)
        with library.building({*units, *(each.module for each in mods)}) as build:
            try:
                objects = {each.name: _object(each, library, build) for each in coming}
                loaded = [rebuilt_mod(each, build) for each in mods]
            except Exception:
                refuse_halves(build, self._unfinished, files)  # which explain the failure
                raise
        refuse_halves(build, self._unfinished, files)
        return objects, loaded, build

    def _mods_of(self, library: Library, units: set[str]) -> list[ModCandidate]:
        """Return the mods that have imported names of the plugins, and so have their old ones."""
        affected = library.dependents(units)
        return [each for each in self._app.mods.candidates().values() if each.module in affected]

    async def _wrap(self, view: PluginView) -> None:
        mods = self._app.mods
        anew = {each.candidate.name: each for each in self.loaded}
        for name, generation in list(mods.generations.items()):
            again = generation.rewrapped()
            if name in anew:
                again = mods.new_generation(name, anew[name].edition)
                again.declarations = anew[name].declarations
                self._fresh.append(again)
            try:
                staged = await mods.stage_by_turns(again.declarations, again, view)
            except LoadError as error:
                if not self._wanted.removed:
                    raise
                self._withdrawn[generation] = str(error)
                continue
            self._staged.append(staged)
            if name in anew:
                await mods.initialise(staged)

    @property
    def withdrawn(self) -> list[Reloaded]:
        """The mods that cannot be served without what goes, each with the reason."""
        return [
            Reloaded(kind="mod", name=generation.owner, outcome="removed", reason=reason)
            for generation, reason in self._withdrawn.items()
        ]

    def check(self) -> None:
        """Make sure that the commit will succeed; nothing may be awaited between the two.

        Raises:
            PluginError: If the exports are others than those that were wrapped.
        """
        mods = self._app.mods.generations
        for each in self._staged:
            serving = mods.get(each.generation.owner)
            is_same = serving is each.generation.previous or each.generation in self._fresh
            if serving is None or not is_same:
                msg = f"the exports of {each.generation.owner} have changed meanwhile: try again"
                raise PluginError(msg)
        if self._view is not None:
            for name in self._stage.active:
                before = self._app.plugins.active.get(name)
                if before is not None:
                    known = {"app": self._app, "previous": before.plugin}
                    take = self._view.hooks.call(name, "hand_over", **known)
                    if take is not None:
                        self._takes[name] = take

    def commit(self) -> Iterator[tuple[Generation, list[Edition], list[Generation]]]:
        """Let the new plugins serve; return what they replace."""
        app, before = self._app, dict(self._app.plugins.active)
        gone = [] if self._build is None else self._build.publish()
        for name in self._wanted.removed:
            edition = before[name].generation.edition
            if edition is not None:
                app.library.drop(edition, purge=True)
                gone.append(edition)
        mods_before = dict(app.mods.generations)
        app.plugins.commit(self._stage, self._view)
        app.registry.commit(*self._staged, leaving=self._withdrawn)
        for staged in self._staged:
            app.mods.generations[staged.generation.owner] = staged.generation
            exits = staged.generation.exits
            exits.update({each: staged.calls[each] for each in exits.keys() & staged.calls.keys()})
        for generation, reason in self._withdrawn.items():
            del app.mods.generations[generation.owner]
            app.mods.note_rejected(
                generation.owner, app.mods.status[generation.owner].candidate, reason
            )
        app.plugins_changed(self._routes)
        for name, take in self._takes.items():
            try:
                take()
            except Exception:
                _logger.exception("plugin %s could not take over from the code before", name)
        wrapped = [each for each in mods_before.values() if each not in self._withdrawn]
        retired = [(before[name].generation, wrapped) for name in self._stage.going]
        retired += [(mods_before[each.owner], []) for each in self._fresh]
        retired += [(each, []) for each in self._withdrawn]
        answer = [(each, _editions(each, gone), around) for each, around in retired]
        self._forget()
        return iter(answer)

    def _forget(self) -> None:
        """Lead to nothing any more: an idle worker thread remembers what it ran last."""
        self._staged, self._fresh, self._build, self.loaded = [], [], None, []
        self._withdrawn, self._routes, self._view, self._takes = {}, [], None, {}
        self._stage.clear()

    async def undo(self) -> None:
        """Take back what was registered so far."""
        for generation in reversed(self._fresh):
            await generation.scope.aclose()
            self._app.mods.renumber(generation.owner, generation.number - 1)
        await self._stage.aclose()
        self._forget()


def _editions(generation: Generation, gone: list[Edition]) -> list[Edition]:
    return [each for each in gone if each is generation.edition]


def _differs(edition: Edition, paths: Collection[Path] | None) -> bool:
    try:
        return edition.differs(paths)
    except OSError:  # it cannot be read, as building it will say
        return True


def _object(candidate: PluginCandidate, library: Library, build: Build) -> Any:
    """Return the plugin object: of new modules where they are built, else by a plain import.

    Raises:
        PluginError: If there is none of that name.
        Exception: Whatever the import raises.
    """
    if not isinstance(candidate.target, str):
        return candidate.target
    module, _, attribute = candidate.target.partition(":")
    if candidate.unit in build.replaced:
        build.load(candidate.unit)
    loaded = import_module(module)
    try:
        return getattr(loaded, attribute) if attribute else loaded
    except AttributeError as error:
        msg = f"plugin {candidate.name}: {module} has no {attribute!r}"
        raise PluginError(msg) from error


def _files(library: Library, units: Iterable[str]) -> set[Path]:
    known = [library.editions[unit] for unit in units if unit in library.editions]
    return {path for each in known for path in each.sources}


def _reason(error: BaseException, wanted: Wanted) -> str:
    """Say what went wrong, and at which line of the new code."""
    if isinstance(error, (LoadError, PluginError)):
        return str(error)
    return placed(error, _roots(wanted.coming))


def _roots(coming: Iterable[PluginCandidate]) -> list[str]:
    """Return what the paths of the code of plugins have in them."""
    return [f"/{each.unit}/" for each in coming if each.unit]
