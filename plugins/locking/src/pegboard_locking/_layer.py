"""The layer that holds a lock while an export runs."""

from __future__ import annotations

import string
from inspect import isawaitable
from typing import TYPE_CHECKING, Any

from pegboard import Result
from pegboard.contracts.call import Call, Stage
from pegboard.errors import ConfigError, PegboardError
from pegboard_locking._option import LockOptions

if TYPE_CHECKING:
    from pegboard import Export
    from pegboard.contracts.lock import Lock, LockProvider

__all__ = ["LockLayer"]


class LockLayer:
    """Holds a lock from before the call until its function has ended; that of a stream, its items.

    Args:
        export: The export.
        options: What it says.
        provider: Where the lock is.

    Raises:
        ConfigError: If the name of the lock names an argument that the export does not have.
    """

    stage = Stage.LOCK

    def __init__(self, export: Export, options: LockOptions, provider: LockProvider) -> None:
        self._export = export
        self._options = options
        self._provider = provider
        self._template = export.address if options.lock is True else str(options.lock)
        self._fields = _fields(self._template)
        unknown = self._fields - set(export.binding.signature.parameters)
        if unknown:
            names = ", ".join(sorted(unknown))
            msg = f"{export.address} has no argument {names}, as in lock={self._template!r}"
            raise ConfigError(msg)

    def __call__(self, call: Call) -> Call:
        """Return a call that holds the lock around `call`."""
        options, provider, export = self._options, self._provider, self._export

        async def locked(*args: Any, **kwargs: Any) -> Result[Any]:
            try:
                lock = provider.lock(
                    self._name(args, kwargs),
                    shared=options.lock_shared,
                    timeout=options.lock_timeout,
                )
                await lock.__aenter__()
            except PegboardError as error:
                return Result.from_error(error).set_origin(export.origin)
            is_passed_on = False
            try:
                result = await call(*args, **kwargs)
                if result.result.data_type == "stream":  # its function has only begun
                    _release_at_end(result, lock)
                    is_passed_on = True
                return result
            finally:
                if not is_passed_on:
                    await lock.__aexit__(None, None, None)

        return locked

    def _name(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        if not self._fields:
            return self._template
        args, kwargs = self._export.binding.bind_call(args, kwargs)
        bound = self._export.binding.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return self._template.format_map(
            {each: str(bound.arguments[each]) for each in self._fields}
        )


def _release_at_end(result: Result[Any], lock: Lock) -> None:
    """Let a stream give the lock back when it ends, or nobody reads it any more."""
    before = vars(result).get("cleanup")

    async def clean_up() -> None:
        try:
            done = before() if before is not None else None
            if isawaitable(done):
                await done
        finally:
            await lock.__aexit__(None, None, None)

    vars(result)["cleanup"] = clean_up


def _fields(template: str) -> frozenset[str]:
    """Return the arguments that a name refers to."""
    try:
        return frozenset(name for _, name, _, _ in string.Formatter().parse(template) if name)
    except ValueError as error:
        msg = f"lock={template!r}: {error}"
        raise ConfigError(msg) from error
