"""Mods of one app: loaded, staged, committed, retired."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Literal

import msgspec

from pegboard._binding import Binding
from pegboard._context import entered
from pegboard._discovery import ModCandidate, find_mods, mod_at
from pegboard._export import Declaration, Export
from pegboard._loader import LoadedMod, load_mod, unload_mod
from pegboard._pipeline import compile_call
from pegboard._reference import loading
from pegboard._registry import Generation, Staged
from pegboard._scope import Scope
from pegboard.errors import LoadError, NotFoundError, PegboardError

if TYPE_CHECKING:
    from pegboard._app import App
    from pegboard._config import AccessSettings, Selection
    from pegboard.contracts.call import Call

__all__ = ["ModHost", "ModStatus"]

INLINE = "__main__"
"""Owner of the exports that are declared on the app itself."""

_logger = logging.getLogger("pegboard.mods")


class ModStatus(msgspec.Struct, kw_only=True):
    """What became of one mod.

    Attributes:
        candidate: What was found.
        state: Whether it serves, is off or has failed.
        reason: Why it does not serve, with file and line.
    """

    candidate: ModCandidate
    state: Literal["active", "off", "failed"]
    reason: str = ""


class ModHost:
    """Loads and unloads the mods of one app.

    Attributes:
        status: What became of each that was found, by name.
        generations: The generation of each that serves, by name.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self.status: dict[str, ModStatus] = {}
        self.generations: dict[str, Generation] = {}
        self._numbers: dict[str, int] = {}
        self._inline: list[Declaration] = []
        self._of_this_run: list[Declaration] = []
        self._is_open = False

    def choose(
        self, requested: Sequence[str | ModuleType | Path] | None, selection: Selection
    ) -> list[ModCandidate]:
        """Return what to load, and note why the others are not.

        Raises:
            NotFoundError: If a mod that was asked for does not exist.
        """
        wanted = self._wanted(requested)
        taken = []
        for candidate in wanted:
            reason = selection.why_not(candidate.name)
            if reason is None:
                taken.append(candidate)
            else:
                status = ModStatus(candidate=candidate, state="off", reason=reason)
                self.status[candidate.name] = status
        return taken

    def _wanted(self, requested: Sequence[str | ModuleType | Path] | None) -> list[ModCandidate]:
        if requested is None:
            return find_mods(self._app.project)
        needs_scan = any(isinstance(each, str) for each in requested)
        found = {each.name: each for each in find_mods(self._app.project)} if needs_scan else {}
        return [_candidate(each, found) for each in requested]

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
            self.status[candidate.name] = ModStatus(
                candidate=candidate, state="failed", reason=reason
            )
            if is_fatal:
                raise
            _logger.error("%s", reason, exc_info=error.__cause__)  # noqa: TRY400 - only the cause
        else:
            self.status[candidate.name] = ModStatus(candidate=candidate, state="active")

    async def _load(self, candidate: ModCandidate) -> None:
        with loading(self._app):
            loaded = load_mod(candidate)
        generation = self._new_generation(candidate.name)
        generation.scope.defer("modules", lambda: unload_mod(loaded))
        try:
            await self._activate(loaded, generation)
        except BaseException:
            await generation.scope.aclose()
            raise

    async def _activate(self, loaded: LoadedMod, generation: Generation) -> None:
        staged = self.stage(loaded.declarations, generation)
        self._app.registry.check(staged)
        initials = [each for each in staged.calls.values() if each[0].options.initial]
        if not initials:
            self._defer_exits(staged)
        for index, (export, call) in enumerate(initials):
            await self._run_initial(export, call)
            if index == 0:  # from here on there is something to clean up, also after a failure
                self._defer_exits(staged)
        self._app.registry.commit(staged)
        self.generations[generation.owner] = generation

    def stage(self, declarations: Iterable[Declaration], generation: Generation) -> Staged:
        """Compile declarations into exports that nobody sees yet.

        Raises:
            LoadError: If a declaration is wrong, naming it with file and line.
        """
        staged = Staged(generation)
        for declaration in declarations:
            if declaration.options.test_only and not self._app.testing:
                continue
            try:
                export = self._export(declaration, generation)
                staged.add(export, self._compile(export))
            except Exception as error:
                msg = f"{_place(declaration)}: {error}"
                raise LoadError(msg) from error
        return staged

    def _export(self, declaration: Declaration, generation: Generation) -> Export:
        options = declaration.options
        binding = Binding(
            declaration.function, request_as_kwarg=options.request_as_kwarg, state=options.state
        )
        return Export(
            declaration,
            binding,
            generation,
            required_level=_required_level(declaration, self._app.access),
            plugin_options=self._app.plugins.options(declaration.plugin_options),
        )

    def _compile(self, export: Export) -> Call:
        layers = list(self._app.hooks.each("register_export", app=self._app, export=export))
        return compile_call(self._app, export, layers)

    def declare(self, declaration: Declaration) -> None:
        """Take an export that is declared on the app itself, at any time.

        An initial function that is declared while the app runs is started at once.

        Raises:
            LoadError: If the app runs and the declaration is wrong.
        """
        if self._is_open:
            for export, call in self._commit_inline(self.stage([declaration], self._inline_home())):
                self._app.spawn(self._run_initial, export, call, name=export.address)
        if self._app.is_running and not self._is_open:
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
            for export, call in self._commit_inline(self.stage(declarations, self._inline_home())):
                await self._run_initial(export, call)

    def _inline_home(self) -> Generation:
        generation = self.generations.get(INLINE)
        if generation is None:
            generation = self.generations[INLINE] = self._new_generation(INLINE)
        return generation

    def _commit_inline(self, staged: Staged) -> list[tuple[Export, Call]]:
        """Let staged exports serve beside those that do; return the initial ones."""
        registry = self._app.registry
        registry.check(staged)
        for address, (export, _) in staged.calls.items():
            if address in registry.table:
                raise LoadError(f"{_place(export.declaration)}: {address} is exported twice")
        self._defer_exits(staged)
        registry.commit(staged, is_addition=True)
        return [each for each in staged.calls.values() if each[0].options.initial]

    def _defer_exits(self, staged: Staged) -> None:
        for export, call in staged.calls.values():
            if export.options.exit_f:
                staged.generation.scope.defer(export.address, partial(self._run_exit, export, call))

    async def _run_initial(self, export: Export, call: Call) -> None:
        with entered(self._app):
            result = await call()
        self._app.run_tasks(result)
        if result.is_error():
            error = result.exception
            text = f"{type(error).__name__}: {error}" if error else result.info.help_text
            place = _place(export.declaration)
            raise LoadError(f"{place}, an initial function, failed: {text}") from error

    async def _run_exit(self, export: Export, call: Call) -> None:
        with entered(self._app):
            result = await call()
        self._app.run_tasks(result)
        if result.is_error():
            text = result.info.help_text
            _logger.error("%s, an exit function, failed: %s", export.address, text)

    def _new_generation(self, owner: str) -> Generation:
        number = self._numbers[owner] = self._numbers.get(owner, 0) + 1
        return Generation(owner, number, Scope(f"mod {owner}", self._app.tasks))

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
        msg = f"there is no mod {requested!r}; found: {', '.join(sorted(found)) or 'none'}"
        raise NotFoundError(msg)
    return found[requested]


def _required_level(declaration: Declaration, access: AccessSettings) -> int:
    level = declaration.options.level
    if level >= 0 or declaration.mod in access.open_modules:
        return max(level, 0)
    if declaration.mod in access.protected_modules:
        return max(access.default_level, 1)
    return access.default_level


def _place(declaration: Declaration) -> str:
    code = getattr(declaration.function, "__code__", None)
    where = f"{code.co_filename}:{code.co_firstlineno}: " if code else ""
    return f"{where}{declaration.mod}.{declaration.name}"
