"""Mods of one app: loaded, staged, committed, retired."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import anyio

from pegboard._binding import Binding
from pegboard._context import entered
from pegboard._discovery import ModCandidate, find_mods, folder_mods, mod_at
from pegboard._export import Declaration, Export
from pegboard._loader import load_mod
from pegboard._pipeline import compile_call
from pegboard._reference import loading
from pegboard._registry import Generation, Staged
from pegboard._scope import Scope
from pegboard._status import ModStatus, Statuses
from pegboard.errors import ConfigError, LoadError, NotFoundError, PegboardError, PluginError

if TYPE_CHECKING:
    from pegboard._app import App
    from pegboard._config import Selection
    from pegboard._edition import Edition
    from pegboard._plugins import PluginView
    from pegboard._result import Result
    from pegboard.contracts.call import Call

__all__ = ["ModHost", "ModStatus"]

INLINE = "__main__"
"""Owner of the exports that are declared on the app itself."""

_logger = logging.getLogger("pegboard.mods")


class ModHost:
    """Loads and unloads the mods of one app.

    Attributes:
        status: What became of each that was found, by name.
        generations: The generation of each that serves, by name.
        requested: What the app was asked to load, None for all that is found.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self.status: Statuses[ModCandidate] = Statuses()
        self.generations: dict[str, Generation] = {}
        self._numbers: dict[str, int] = {}
        self._inline: list[Declaration] = []
        self._of_this_run: list[Declaration] = []
        self._is_open = False
        self.requested: Sequence[str | ModuleType | Path] | None = None

    def choose(
        self, requested: Sequence[str | ModuleType | Path] | None, selection: Selection
    ) -> list[ModCandidate]:
        """Return what to load, and note why the others are not.

        Raises:
            NotFoundError: If a mod that was asked for does not exist.
        """
        self.requested = requested
        wanted = self._wanted(requested)
        taken = []
        for candidate in wanted:
            reason = selection.why_not(candidate.name)
            if reason is None:
                taken.append(candidate)
            else:
                self.status.note(candidate, "off", reason)
        return taken

    def _wanted(self, requested: Sequence[str | ModuleType | Path] | None) -> list[ModCandidate]:
        if requested is None:
            return find_mods(self._app.project)
        needs_scan = any(isinstance(each, str) for each in requested)
        found = {each.name: each for each in find_mods(self._app.project)} if needs_scan else {}
        return [_candidate(each, found) for each in requested]

    # -- for reloads -----------------------------------------------------------------------

    def candidates(self) -> dict[str, ModCandidate]:
        """Return the mods that serve and were found, not handed over as a module."""
        return {
            name: each.candidate
            for name, each in self.status.items()
            if name in self.generations and each.candidate.loaded is None
        }

    def found(self, *, installed: bool = False) -> dict[str, ModCandidate]:
        """Return the mods that are to serve as things are now; nothing is imported.

        A project whose folder of mods is missing or cannot be read has the mods that it had.

        Args:
            installed: Whether to look also at what distributions bring, which takes longer.
        """
        found = {each.name: each for each in self._installed(refresh=installed)}
        found |= self._in_folder()
        selection = self._app.config.selection("mods")
        wanted = found if self.requested is None else self._still_there(found)
        return {name: each for name, each in wanted.items() if selection.why_not(name) is None}

    def _installed(self, *, refresh: bool) -> list[ModCandidate]:
        if refresh:
            return [each for each in find_mods(None) if each.path is None]
        return [each.candidate for each in self.status.values() if each.candidate.path is None]

    def _in_folder(self) -> dict[str, ModCandidate]:
        project = self._app.project
        before = {name: each.candidate for name, each in self.status.items() if each.candidate.path}
        try:
            if project is None or not (project / "mods").is_dir():
                return before
            return {each.name: each for each in folder_mods(project)}
        except OSError:
            return before

    def _still_there(self, found: dict[str, ModCandidate]) -> dict[str, ModCandidate]:
        there = {}
        for each in self.requested or ():
            with suppress(NotFoundError, FileNotFoundError):
                candidate = _candidate(each, found)
                there[candidate.name] = candidate
        return there

    def note_active(self, candidate: ModCandidate) -> None:
        """Note that a mod serves as it is on disk."""
        self.status.note(candidate)

    def note_rejected(self, name: str, candidate: ModCandidate | None, reason: str) -> bool:
        """Note that the newest code of a mod does not serve; whether that is news."""
        is_serving = name in self.generations
        return self.status.note_rejected(name, candidate, reason, is_serving=is_serving)

    async def load(self, candidate: ModCandidate, *, is_fatal: bool) -> None:
        """Load a mod and let it serve.

        A failure leaves nothing behind, is noted and, unless it is fatal, contained.

        Raises:
            LoadError: If the mod fails and `is_fatal` is set.
        """
        try:
            await self._load(candidate)
        except (PegboardError, SystemExit) as error:
            reason = str(error)
            self.status.note(candidate, "failed", reason)
            if is_fatal:
                raise
            cause = error.__cause__
            is_told = isinstance(cause, (ConfigError, PluginError)) or self._app.brief
            _logger.error("%s", reason, exc_info=None if is_told else cause)  # noqa: TRY400 - only the cause
        else:
            self.status.note(candidate)

    async def _load(self, candidate: ModCandidate) -> None:
        library = self._app.library
        with loading(self._app):
            loaded = load_mod(candidate, library)
        generation = self.new_generation(candidate.name, loaded.edition)
        generation.declarations = loaded.declarations
        try:
            staged = self.stage(loaded.declarations, generation)
            self._app.registry.check(staged)
            await self.initialise(staged)
            self._app.registry.commit(staged)
        except BaseException:
            await generation.scope.aclose()
            raise
        self.generations[generation.owner] = generation

    async def initialise(self, staged: Staged) -> None:
        """Run the initial functions of staged exports, and see to it that those for the end run.

        Raises:
            LoadError: If one fails.
        """
        initials = [each for each in staged.calls.values() if each[0].options.initial]
        if not initials:
            self._defer_exits(staged)
        for index, (export, call) in enumerate(initials):
            await self._run_initial(export, call)
            if index == 0:  # from here on there is something to clean up, also after a failure
                self._defer_exits(staged)

    def stage(
        self,
        declarations: Iterable[Declaration],
        generation: Generation,
        plugins: PluginView | None = None,
    ) -> Staged:
        """Compile declarations into exports that nobody sees yet.

        Args:
            declarations: What was declared.
            generation: Whose it is.
            plugins: Who wraps the exports, the active plugins by default.

        Raises:
            LoadError: If a declaration is wrong, naming it with file and line.
        """
        plugins = plugins or self._app.plugins
        staged = Staged(generation)
        for each in declarations:
            self._stage_one(staged, each, plugins)
        return staged

    async def stage_by_turns(
        self,
        declarations: Iterable[Declaration],
        generation: Generation,
        plugins: PluginView | None = None,
    ) -> Staged:
        """Do as `stage` does, but let what serves have its turn after each export.

        Raises:
            LoadError: If a declaration is wrong, naming it with file and line.
        """
        plugins = plugins or self._app.plugins
        staged = Staged(generation)
        for each in declarations:
            self._stage_one(staged, each, plugins)
            await anyio.lowlevel.checkpoint()
        return staged

    def _stage_one(self, staged: Staged, declaration: Declaration, plugins: PluginView) -> None:
        if declaration.options.test_only and not self._app.testing:
            return
        try:
            export = self._export(declaration, staged.generation, plugins)
            if declaration.options.handover:
                staged.handovers.append(export)
            else:
                staged.add(export, self._compile(export, plugins))
        except Exception as error:
            raise LoadError(f"{_place(declaration)}: {error}") from error

    def _export(
        self, declaration: Declaration, generation: Generation, plugins: PluginView
    ) -> Export:
        options = declaration.options
        binding = Binding(
            declaration.function, request_as_kwarg=options.request_as_kwarg, state=options.state
        )
        return Export(
            declaration,
            binding,
            generation,
            required_level=self._app.access.required_level(declaration),
            plugin_options=plugins.options(declaration.plugin_options),
        )

    def _compile(self, export: Export, plugins: PluginView) -> Call:
        layers = list(plugins.hooks.each("register_export", app=self._app, export=export))
        return compile_call(self._app, export, layers)

    def declare(self, declaration: Declaration) -> None:
        """Take an export that is declared on the app itself, at any time.

        An initial function that is declared while the app runs is started at once.

        Raises:
            LoadError: If the app runs and the declaration is wrong.
        """
        if self._is_open:
            for export, call in self._commit_inline([declaration]):
                self._app.spawn(self._run_initial, export, call, name=export.address)
        if self._app.is_entered and not self._is_open:
            self._of_this_run.append(declaration)
        else:
            self._inline.append(declaration)

    async def load_inline(self) -> None:
        """Let the exports serve that were declared on the app before it started.

        Raises:
            LoadError: If a declaration is wrong, or an initial function fails.
        """
        declarations = [*self._inline, *self._of_this_run]
        self._is_open = True
        if declarations:
            for export, call in self._commit_inline(declarations):
                await self._run_initial(export, call)

    def _inline_home(self) -> Generation:
        generation = self.generations.get(INLINE)
        if generation is None:
            generation = self.generations[INLINE] = self.new_generation(INLINE)
        return generation

    def _commit_inline(self, declarations: list[Declaration]) -> list[tuple[Export, Call]]:
        """Let more exports serve beside those that do; return the initial ones."""
        registry, home = self._app.registry, self._inline_home()
        staged = self.stage(declarations, home)
        registry.check(staged)
        for address, (export, _) in staged.calls.items():
            if address in registry.table:
                raise LoadError(f"{_place(export.declaration)}: {address} is exported twice")
        self._defer_exits(staged)
        registry.commit(staged, is_addition=True)
        home.declarations.extend(declarations)
        return [each for each in staged.calls.values() if each[0].options.initial]

    def _defer_exits(self, staged: Staged) -> None:
        for export, call in staged.calls.values():
            if export.options.exit_f:
                generation, address = staged.generation, export.address
                generation.exits[address] = export, call
                generation.scope.defer(address, partial(self._run_exit, generation.exits, address))

    async def _run_initial(self, export: Export, call: Call) -> None:
        result = await self._run(call)
        if result.is_error():
            error = result.exception
            text = f"{type(error).__name__}: {error}" if error else result.info.help_text
            place = _place(export.declaration)
            raise LoadError(f"{place}, an initial function, failed: {text}") from error

    async def _run_exit(self, exits: dict[str, tuple[Export, Call]], address: str) -> None:
        export, call = exits.pop(address)
        result = await self._run(call)
        if result.is_error():
            text = result.info.help_text
            _logger.error("%s, an exit function, failed: %s", export.address, text)

    async def _run(self, call: Call) -> Result[Any]:
        with entered(self._app):
            result = await call()
        self._app.run_tasks(result)
        return result

    def new_generation(self, owner: str, edition: Edition | None = None) -> Generation:
        """Return the next generation of a mod, which nobody sees yet."""
        number = self._numbers[owner] = self._numbers.get(owner, 0) + 1
        scope = Scope(f"mod {owner}", self._app.tasks)
        if edition is not None:
            scope.defer("modules", lambda: self._app.library.drop(edition))
        return Generation(owner, number, scope, edition)

    def renumber(self, owner: str, number: int) -> None:
        """Give the number of a generation that never served to the next one."""
        self._numbers[owner] = number

    async def unload(self, name: str) -> None:
        """Retire a mod: its exports vanish, then its exit functions run."""
        generation = self.generations.pop(name, None)
        if generation is not None:
            self._app.registry.withdraw(generation)
            await generation.scope.aclose()
            self.status.pop(name, None)

    async def unload_all(self) -> None:
        """Retire all mods, the last one loaded first."""
        self._is_open = False
        self._of_this_run.clear()
        for name in reversed(list(self.generations)):
            await self.unload(name)


def _candidate(requested: str | ModuleType | Path, found: dict[str, ModCandidate]) -> ModCandidate:
    if isinstance(requested, ModuleType):
        name = requested.__name__
        return ModCandidate(
            name=name.rpartition(".")[2], module=name, loaded=requested, origin="caller"
        )
    if isinstance(requested, Path):
        return mod_at(requested)
    if requested not in found:
        raise NotFoundError(
            f"there is no mod {requested!r}; found: {', '.join(sorted(found)) or 'none'}"
        )
    return found[requested]


def _place(declaration: Declaration) -> str:
    code = getattr(declaration.function, "__code__", None)
    where = f"{code.co_filename}:{code.co_firstlineno}: " if code else ""
    return f"{where}{declaration.mod}.{declaration.name}"
