"""What an export answers: data or an error, and how it travels."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextvars import Context, copy_context
from enum import IntEnum
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar, cast, overload

import msgspec

from pegboard._envelope import OK_INFO, Constructors, ErrorKind, Interface, ResultData, ResultInfo

__all__ = [
    "OK_INFO",
    "ApiResult",
    "ErrorKind",
    "Interface",
    "LazyFlag",
    "Result",
    "ResultData",
    "ResultInfo",
]

T = TypeVar("T")
U = TypeVar("U")

Task: TypeAlias = tuple[Callable[[], Any] | Awaitable[Any], Context]
"""What runs after the answer, with the context variables of the call that asked for it."""

_logger = logging.getLogger("pegboard.result")


class LazyFlag(IntEnum):
    """What `Result.lazy_return` makes of an error."""

    RAISE = 0
    LOG = 1
    USER = 2
    INTERNAL = 3


_LAZY_NAMES = {
    "raise": LazyFlag.RAISE,
    "logg": LazyFlag.LOG,
    "user": LazyFlag.USER,
    "intern": LazyFlag.INTERNAL,
}


class _Error:
    """`Result.error(...)` makes an error; `result.error` says of which kind a result is."""

    @overload
    def __get__(self, instance: None, owner: type[Any]) -> Callable[..., Result[Any]]: ...
    @overload
    def __get__(self, instance: Result[Any], owner: type[Any]) -> str: ...
    def __get__(self, instance: Result[Any] | None, owner: type[Any]) -> Any:
        return owner._remote_error if instance is None else instance.kind


class Result(Constructors, msgspec.Struct, Generic[T], dict=True, rename={"kind": "error"}):
    """The answer of an export: its wire shape is that of its four fields.

    Build one with a constructor such as `Result.ok` or `Result.default_user_error`.

    Attributes:
        kind: An `ErrorKind`; `error` on the wire, and as an attribute too.
        origin: Address of the export that answered: `[mod, function, interface]`.
        result: The data.
        info: Code and text.
    """

    kind: str
    origin: str | tuple[str, ...] | None
    result: ResultData[T]
    info: ResultInfo

    error = _Error()

    # Kept beside the fields, since they are not part of the envelope.
    headers: ClassVar[Mapping[str, str]] = {}
    status: ClassVar[int | None] = None
    tasks: ClassVar[tuple[Task, ...]] = ()
    cleanup: ClassVar[Callable[[], Any] | None] = None
    release: ClassVar[Callable[[], None] | None] = None
    exception: ClassVar[BaseException | None] = None

    @classmethod
    def result_from_dict(
        cls, error: str, result: Mapping[str, Any], info: Mapping[str, Any], origin: Any
    ) -> Result[Any]:
        """Build one from the parts of its wire shape."""
        return cls(
            ErrorKind(error),
            tuple(origin) if isinstance(origin, list) else origin,
            msgspec.convert(result, ResultData),
            msgspec.convert(info, ResultInfo),
        )

    # -- reading ---------------------------------------------------------------------------

    def is_error(self) -> bool:
        """Whether it, or a `Result` nested in it, is an error."""
        nested = self.result.data
        if isinstance(nested, Result) and nested.is_error():
            return True
        return self.kind != ErrorKind.NONE

    def is_ok(self) -> bool:
        """Whether it is not an error."""
        return not self.is_error()

    def is_data(self) -> bool:
        """Whether there is any data."""
        return self.result.data is not None

    def get(self, key: Any = None, default: Any = None) -> Any:
        """Return the data, or the item `key` of a dict; `default` where there is none."""
        data: Any = self.result.data
        return data.get(key, default) if isinstance(data, Result) else _item(data, key, default)

    async def aget(self, key: Any = None, default: Any = None) -> Any:
        """Return the data like `get`, awaiting it first if it is awaitable."""
        data: Any = self.result.data
        if not inspect.isawaitable(data):
            return self.get(key, default)
        data = await data
        is_result = isinstance(data, Result)
        return await data.aget(key, default) if is_result else _item(data, key, default)

    def typed_get(self, kind: type[U], key: Any = None, default: Any = None) -> U:
        """Return the data as `kind`.

        Raises:
            msgspec.ValidationError: If it cannot be converted.
        """
        return msgspec.convert(self.get(key, default), kind)

    async def typed_aget(self, kind: type[U], key: Any = None, default: Any = None) -> U:
        """Return the awaited data as `kind`; see `typed_get`."""
        return msgspec.convert(await self.aget(key, default), kind)

    def cast_to(self, kind: type[U]) -> Result[U]:
        """Tell a type checker what the data is; nothing happens at run time."""
        del kind
        return cast("Result[U]", self)

    def as_result(self) -> Result[T]:
        """Return itself: its wire shape is that of its fields."""
        return self

    to_api_result = as_result

    def as_dict(self) -> dict[str, Any]:
        """Return the wire shape; the data is not converted."""
        return {
            "error": str(self.kind),
            "origin": list(self.origin) if isinstance(self.origin, tuple) else self.origin,
            "result": msgspec.structs.asdict(self.result),
            "info": msgspec.structs.asdict(self.info),
        }

    def print(
        self, show: bool = True, show_data: bool = True, prifix: str = "", full_data: bool = False
    ) -> str:
        """Return, and with `show` print, a description in a few lines."""
        text = self._describe(prifix, show_data=show_data, full_data=full_data)
        if show:
            print(text)  # noqa: T201 - printing is what this method is for
        return text

    def log(self, show_data: bool = True, prifix: str = "") -> Result[T]:
        """Write a description to the log, an error as a warning."""
        level = logging.WARNING if self.is_error() else logging.INFO
        _logger.log(level, "%s", self._describe(prifix, show_data=show_data))
        return self

    def _describe(self, prefix: str, *, show_data: bool, full_data: bool = False) -> str:
        origin = ".".join(self.origin) if isinstance(self.origin, tuple) else self.origin
        lines = [f"{prefix}{self.kind} from {origin or 'unknown'}"]
        lines.append(f"  {self.info.exec_code}: {self.info.help_text}")
        if show_data and self.result.data is not None:
            data = repr(self.result.data)
            limit = len(data) if full_data else 200
            lines.append(f"  {self.result.data_type}: {data[:limit]}")
        return "\n".join(lines)

    # -- changing --------------------------------------------------------------------------

    def set_origin(self, origin: str | tuple[str, ...]) -> Result[T]:
        """Say which export answered.

        Raises:
            ValueError: If the origin is set already.
        """
        if self.origin is not None:
            raise ValueError(f"the origin is set already, to {self.origin!r}")
        self.origin = origin
        return self

    def set_dir_origin(self, name: str, extras: str = "assets/") -> Result[T]:
        """Say which folder the answer came from."""
        return self.set_origin(f"mods/{name}/{extras}")

    def task(self, task: Callable[[], Any] | Awaitable[Any]) -> Result[T]:
        """Run something after the response has left.

        Args:
            task: A function, a coroutine function or a coroutine. A function runs in a worker
                thread. It sees the app, session and request of this call. It is awaited when the
                app stops; a failure is logged and counted.
        """
        vars(self)["tasks"] = (*self.tasks, (task, copy_context()))
        return self

    bg_task = task

    def take_tasks(self) -> tuple[Task, ...]:
        """Return what `task` was given, and forget it: whoever takes it runs it."""
        tasks = self.tasks
        self.__dict__.pop("tasks", None)
        return tasks

    def lazy_return(
        self, flag: int | str = LazyFlag.RAISE, data: Any = None, **options: Any
    ) -> Result[Any]:
        """Go on with `data` if this is a success, or with an error of the kind that `flag` names.

        Args:
            flag: `raise`, `logg`, `user` or `intern`, or their number from 0 to 3.
            data: On success: None for this result itself, a `Result` as it is, other data in
                `Result.ok`. On an error: the data of the new error; None keeps this one.
            options: Passed to the constructor of the new error.

        Raises:
            ValueError: If this is an error and the flag is `raise`, or the flag is unknown.
        """
        kind = _lazy_flag(flag)
        if not self.is_error():
            if data is None:
                return self
            return data if isinstance(data, Result) else Result.ok(data)
        if kind is LazyFlag.RAISE:
            raise ValueError(self.print(show=False))
        if kind is LazyFlag.LOG:
            self.log()
        if data is None:
            return self
        details = {"info": self.info.help_text, **options}
        if kind is LazyFlag.LOG:
            return self.custom_error(data=data, **details)
        if kind is LazyFlag.USER:
            return self.default_user_error(data=data, **details)
        return self.default_internal_error(data=data, **details)


ApiResult = Result
"""The name that the spec documents have for a `Result` on the wire."""


def _item(data: Any, key: Any, default: Any) -> Any:
    if key is not None and isinstance(data, dict):
        data = data.get(key)
    return default if data is None else data


def _lazy_flag(flag: int | str) -> LazyFlag:
    try:
        return _LAZY_NAMES[flag] if isinstance(flag, str) else LazyFlag(flag)
    except (KeyError, ValueError):
        raise ValueError(
            f"unknown flag {flag!r}: one of {', '.join(_LAZY_NAMES)}, or 0 to 3"
        ) from None
