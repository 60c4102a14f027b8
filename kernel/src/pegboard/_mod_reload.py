"""Replacing mods: what has changed, in which parts, and each part built, staged and committed.

Nothing here changes what serves before `_Change.commit`, which has no `await` in it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from time import perf_counter
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from pegboard._discovery import PROJECT_PREFIX, ModCandidate
from pegboard._halves import Unfinished, UnfinishedError, refuse_halves
from pegboard._loader import rebuilt_mod, refresh_finders
from pegboard._part import Part, Plan, parts_of, with_added
from pegboard._reference import loading
from pegboard.contracts.reload import Reloaded
from pegboard.errors import LoadError

if TYPE_CHECKING:
    from pegboard._app import App
    from pegboard._build import Build
    from pegboard._edition import Edition
    from pegboard._library import Library
    from pegboard._loader import LoadedMod
    from pegboard._patience import Patience
    from pegboard._registry import Generation, Staged

__all__ = ["ModReload"]

Retire = Callable[["Generation", Iterable["Edition"]], None]


class ModReload:
    """Finds out which mods have changed and replaces them.

    Args:
        app: The app.
        retire: Takes each generation that was replaced, with the modules that went with it.
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
        """The mods that could be replaced, or loaded after all."""
        status = self._app.mods.status
        broken = {name for name, each in status.items() if each.state == "failed"}
        return sorted(broken | self._app.mods.candidates().keys())

    def folders(self) -> set[Path]:
        """Return the folders of the project's mods, and of packages outside `site-packages`."""
        project, found = self._app.project, set()
        if project is not None:
            found.add(project / "mods")
        for each in self._app.mods.candidates().values():
            if each.path is not None:
                found.add(each.path.parents[each.path.name == "__init__.py"])
        for unit, edition in list(self._app.library.editions.items()):
            if not unit.startswith(PROJECT_PREFIX):
                found |= {path.parent for path in edition.sources if not _is_installed(path)}
        return {each for each in found if found.isdisjoint(each.parents)}

    async def run(self, plan: Plan, unfinished: Unfinished | None = None) -> list[Reloaded]:
        """Replace what is planned; see `Reloader`."""
        outcomes = [self._mended(name) for name in plan.mended]
        for part in plan.parts:
            outcomes += await self._replace(part, plan.begun, unfinished)
        return outcomes

    def plan(
        self,
        paths: Collection[Path] | None = None,
        forced: Collection[str] = (),
        *,
        installed: bool = False,
    ) -> Plan:
        """Find out what to replace, and which mods are again as they were before they failed.

        It reads files, and so runs in a thread; the app changes nothing meanwhile.

        Args:
            paths: Files that may have changed; None looks at all, and for new ones.
            forced: Names of mods that are replaced in any case.
            installed: Whether to look also at what distributions bring.
        """
        begun = perf_counter()
        mods, library = self._app.mods, self._app.library
        wanted = mods.candidates() if self._is_edit(paths) else mods.found(installed=installed)
        changed, mended = self._changed(paths), []
        for name, status in mods.status.items():
            if status.rejected:
                if _is_unchanged(library, status.candidate.module):
                    mended.append(name)
                else:
                    changed.add(status.candidate.module)
        serving = mods.candidates()
        removed = {name for name, each in serving.items() if name not in wanted}
        upgraded = {
            name for name, each in serving.items() if wanted.get(name, each).version != each.version
        }
        changed |= {
            serving[name].module for name in removed | upgraded | (serving.keys() & set(forced))
        }
        serving |= {name: wanted[name] for name in upgraded}
        added = [
            each
            for name, each in wanted.items()
            if name not in serving and (each.path is not None or paths is None)
        ]
        parts = self._parts(library.dependents(changed), serving, removed)
        return Plan(parts=with_added(parts, added), mended=mended, begun=begun)

    def _is_edit(self, paths: Collection[Path] | None) -> bool:
        """Whether at most the content of files has changed whose code serves: nobody comes or goes.

        A mod that failed when it was first loaded may come with any change of what it imports.
        """
        if paths is None or any(each.state == "failed" for each in self._app.mods.status.values()):
            return False
        editions = list(self._app.library.editions.values())
        is_known = all(any(path in each.sources for each in editions) for path in paths)
        return is_known and all(map(Path.exists, paths))

    def _changed(self, paths: Collection[Path] | None) -> set[str]:
        found = set()
        plugins = self._app.plugins.units()
        for unit, edition in list(self._app.library.editions.items()):
            if unit in plugins:
                continue
            try:
                differs = edition.differs(paths)
            except OSError:  # it cannot be read, as building it will say
                differs = True
            if differs:
                found.add(unit)
        return found

    def _parts(
        self, units: set[str], serving: Mapping[str, ModCandidate], removed: set[str]
    ) -> list[Part]:
        editions = self._app.library.editions
        links = {unit: editions[unit].links for unit in units if unit in editions}
        return [
            Part(
                units=group,
                mods=tuple(
                    each
                    for name, each in serving.items()
                    if each.module in group and name not in removed
                ),
                removed=tuple(sorted(n for n in removed if serving[n].module in group)),
            )
            for group in parts_of(units, links)
        ]

    async def _replace(
        self, part: Part, begun: float, unfinished: Unfinished | None
    ) -> list[Reloaded]:
        """Let the new code of a part serve; where that fails, each mod in it says why."""
        change = _Change(self._app, part, unfinished, self._patience)
        try:
            await change.prepare()
            change.check_handover()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - of whatever kind, it is told
            await change.undo()
            smaller = part.split()
            if smaller:
                return [
                    each for one in smaller for each in await self._replace(one, begun, unfinished)
                ]
            if isinstance(error, UnfinishedError):
                self.dropped |= _files(self._app.library, part)
                return []
            return list(self._rejected(part, _reason(error)))
        except BaseException:
            await change.undo()
            raise
        for generation, editions in change.commit():
            self._retire(generation, editions)
        return list(self._accepted(part, perf_counter() - begun))

    def _accepted(self, part: Part, seconds: float) -> Iterator[Reloaded]:
        for name in part.removed:
            self._app.mods.status.pop(name, None)
            yield Reloaded(kind="mod", name=name, outcome="removed", seconds=seconds)
        for each in part.coming:
            self._app.mods.note_active(each)
            yield Reloaded(
                kind="mod",
                name=each.name,
                outcome="loaded" if each in part.added else "reloaded",
                generation=self._app.mods.generations[each.name].number,
                seconds=seconds,
            )

    def _rejected(self, part: Part, reason: str) -> Iterator[Reloaded]:
        """Note why the mods of a part are as they were; what was said before is not said again."""
        mods = self._app.mods
        for name in part.names:
            candidate = next((each for each in part.coming if each.name == name), None)
            if mods.note_rejected(name, candidate, reason):
                yield Reloaded(
                    kind="mod",
                    name=name,
                    outcome="rejected",
                    generation=mods.generations[name].number if name in mods.generations else 0,
                    reason=reason,
                )

    def _mended(self, name: str) -> Reloaded:
        self._app.mods.status[name].rejected = ""
        number = self._app.mods.generations[name].number
        return Reloaded(kind="mod", name=name, outcome="mended", generation=number)


class _Change:
    """One part on its way: built, staged, and then committed or undone."""

    def __init__(
        self, app: App, part: Part, unfinished: Unfinished | None, patience: Patience
    ) -> None:
        self._app = app
        self._patience = patience
        self._part = part
        self._unfinished = unfinished
        self._build: Build | None = None
        self._generations: list[Generation] = []
        self._staged: list[Staged] = []
        self._handed_over: dict[str, SimpleNamespace] = {}
        serving = app.mods.generations
        self.replaced = {name: serving[name] for name in part.names if name in serving}

    async def prepare(self) -> None:
        """Run the new code beside the old, compile its exports, run its initial functions.

        Raises:
            Exception: Whatever is wrong with it.
        """
        with loading(self._app):
            names = self._part.names
            roots = [str(each.path.parent) for each in self._part.coming if each.path is not None]
            self._build, loaded = await self._patience.execute("mod", names, self._built, roots)
        for leaving in self.replaced.values():
            leaving.is_leaving = True
        mods = self._app.mods
        for each in loaded:
            generation = mods.new_generation(each.candidate.name, each.edition)
            generation.declarations = each.declarations
            self._generations.append(generation)
            self._staged.append(await mods.stage_by_turns(each.declarations, generation))
        self._app.registry.check(*self._staged, leaving=self._removed)
        with self._patience.bounded(", ".join(self._part.names)):
            for staged in self._staged:
                await mods.initialise(staged)
        self._app.registry.check(*self._staged, leaving=self._removed)

    def _built(self) -> tuple[Build, list[LoadedMod]]:
        library = self._app.library
        refresh_finders(_folders(library, self._part))
        for each in self._part.coming:
            library.register(each.module)
        library.prepare(_files(library, self._part))
        with library.building(self._part.units) as build:
            loaded = [self._loaded(each, build) for each in self._part.coming]
        self._refuse_halves(build)
        return build, loaded

    def _loaded(self, candidate: ModCandidate, build: Build) -> LoadedMod:
        try:
            return rebuilt_mod(candidate, build)
        except LoadError:
            self._refuse_halves(build)  # which explain the failure
            raise

    def _refuse_halves(self, build: Build) -> None:
        """Make sure that what comes is there to its end, and that what goes is gone.

        Raises:
            UnfinishedError: If somebody is writing a file, or has written it since it was read.
        """
        known = self._app.mods.candidates()
        going = [known[name] for name in self._part.removed if name in known]
        paths = [each.path for each in (*self._part.coming, *going) if each.path is not None]
        refuse_halves(build, self._unfinished, paths)
        if self._unfinished is not None and going:
            found = self._app.mods.found()
            if any(each.name in found for each in going):  # who wrote it anew has ended meanwhile
                raise UnfinishedError

    @property
    def _removed(self) -> list[Generation]:
        return [self.replaced[name] for name in self._part.removed if name in self.replaced]

    def check_handover(self) -> None:
        """Let the new code turn a copy of each state into what it expects.

        Raises:
            Exception: What such a function raises.
        """
        for staged in self._staged:
            if staged.generation.owner not in self.replaced:
                continue
            for export in staged.handovers:
                state = self._handed_over.get(export.mod) or _copied(self._app, export.mod)
                answer = export.function(state)
                self._handed_over[export.mod] = _converted(answer, state, export.address)

    def commit(self) -> list[tuple[Generation, list[Edition]]]:
        """Let the new code serve; return what it replaces, to which nothing here leads any more."""
        mods = self._app.mods
        for mod, state in self._handed_over.items():
            kept = vars(self._app.state(mod))
            kept.clear()
            kept.update(vars(state))
        gone = self._publish()
        self._app.registry.commit(*self._staged, leaving=self._removed)
        for name in self._part.removed:
            mods.generations.pop(name, None)
        for staged in self._staged:
            mods.generations[staged.generation.owner] = staged.generation
        retired = [(each, _own(each)) for each in self.replaced.values()]
        owned = [edition for _, editions in retired for edition in editions]
        if retired:
            retired[0][1].extend(each for each in gone if each not in owned)
        self.replaced.clear()
        self._staged.clear()
        self._generations.clear()
        return retired

    def _publish(self) -> list[Edition]:
        """Let `sys.modules` name the new modules; return the editions that are gone."""
        build, library = self._build, self._app.library
        if build is None:
            msg = "nothing was built"
            raise RuntimeError(msg)
        self._build = None
        units = [each for each in self._part.units if each not in build.fresh]
        gone = [library.editions[each] for each in units if each in library.editions]
        for each in gone:
            library.drop(each, purge=True)
        return gone + build.publish()

    async def undo(self) -> None:
        """Take back what was registered so far."""
        for each in self.replaced.values():
            each.is_leaving = False
        for generation in reversed(self._generations):
            await generation.scope.aclose()
            self._app.mods.renumber(generation.owner, generation.number - 1)


def _own(generation: Generation) -> list[Edition]:
    return [] if generation.edition is None else [generation.edition]


def _copied(app: App, mod: str) -> SimpleNamespace:
    """Return a copy of a state that can be changed without effect on the code that serves.

    Raises:
        LoadError: If something in it cannot be copied, and so is no plain data.
    """
    copied = SimpleNamespace()
    for name, value in vars(app.state(mod)).items():
        try:
            setattr(copied, name, deepcopy(value))
        except Exception as error:
            msg = f"the state of {mod} cannot be handed over: {name} cannot be copied: {error}"
            raise LoadError(msg) from error
    return copied


def _converted(answer: Any, state: SimpleNamespace, address: str) -> SimpleNamespace:
    if answer is None:
        return state
    if isinstance(answer, SimpleNamespace):
        return answer
    if isinstance(answer, Mapping):
        return SimpleNamespace(**answer)
    kind = type(answer).__name__
    msg = f"{address} hands over {kind}: change the state that it is given, or return a new one"
    raise LoadError(msg)


def _is_installed(path: Path) -> bool:
    """Whether a file is part of an installation, which changes as a whole."""
    return not {"site-packages", "dist-packages"}.isdisjoint(path.parts)


def _is_unchanged(library: Library, unit: str) -> bool:
    """Whether a unit and everything that it imports are on disk as they are in the process."""
    try:
        return not any(each.differs() for each in library.imported_by(unit))
    except OSError:
        return False


def _files(library: Library, part: Part) -> set[Path]:
    files = {path for unit in part.units for path in _sources(library, unit)}
    return files | {each.path for each in part.coming if each.path is not None}


def _folders(library: Library, part: Part) -> set[Path]:
    files = _files(library, part)
    folders = {path.parent for path in files}
    return folders | {each.parent for each in folders}


def _sources(library: Library, unit: str) -> Iterable[Path]:
    edition = library.editions.get(unit)
    return () if edition is None else edition.sources


def _reason(error: BaseException) -> str:
    return str(error) if isinstance(error, LoadError) else f"{type(error).__name__}: {error}"
