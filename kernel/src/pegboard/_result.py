"""What an export answers: data or an error, and how it travels."""

from __future__ import annotations

import inspect
import logging
import mimetypes
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from contextvars import Context, copy_context
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeAlias, TypeVar, cast, overload

import msgspec

if TYPE_CHECKING:
    from os import PathLike

    from pegboard.errors import PegboardError

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


class ErrorKind(StrEnum):
    """Whose mistake it was: the `error` of a `Result`."""

    NONE = "none"
    INPUT = "InputError"
    INTERNAL = "InternalError"
    CUSTOM = "CustomError"


class Interface(StrEnum):
    """Whom the data is for: the `data_to` of a `Result`."""

    CLI = "CLI"
    API = "API"
    REMOTE = "REMOTE"
    NATIVE = "NATIVE"
    INTERNAL = "INTERNAL"
    FUTURE = "FUTURE"


class LazyFlag(IntEnum):
    """What `Result.lazy_return` makes of an error."""

    RAISE = 0
    LOG = 1
    USER = 2
    INTERNAL = 3


FIRST_SERVER_ERROR = 500

_LAZY_NAMES = {
    "raise": LazyFlag.RAISE,
    "logg": LazyFlag.LOG,
    "user": LazyFlag.USER,
    "intern": LazyFlag.INTERNAL,
}


class ResultData(msgspec.Struct, Generic[T], frozen=True):
    """The data and what it is.

    Attributes:
        data_to: An `Interface`.
        data_info: What people may want to know of the data.
        data: The data itself.
        data_type: Name of its type, or how it travels (`json`, `html`, `stream`, ...).
    """

    data_to: str = "NATIVE"
    data_info: Any = None
    data: T | None = None
    data_type: str | None = None


class ResultInfo(msgspec.Struct, frozen=True):
    """How it went.

    Attributes:
        exec_code: 0 or an HTTP success code, a negative code or an HTTP error code.
        help_text: One line for people.
    """

    exec_code: int = 0
    help_text: str = ""


OK_INFO = ResultInfo(0, "OK")
"""The one instance that every plain success has, so that `is` tells it from all others."""


class _Error:
    """`Result.error(...)` makes an error; `result.error` says of which kind a result is."""

    @overload
    def __get__(self, instance: None, owner: type[Any]) -> Callable[..., Result[Any]]: ...
    @overload
    def __get__(self, instance: Result[Any], owner: type[Any]) -> str: ...
    def __get__(self, instance: Result[Any] | None, owner: type[Any]) -> Any:
        return _remote_error if instance is None else instance.kind


class Result(msgspec.Struct, Generic[T], dict=True, rename={"kind": "error"}):
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

    # -- constructors ----------------------------------------------------------------------

    @classmethod
    def ok(
        cls,
        data: U | None = None,
        data_info: Any = "",
        info: str = "OK",
        interface: str = Interface.NATIVE,
    ) -> Result[U]:
        """Answer with data, sent as the envelope."""
        return _success(data, type(data).__name__, info, data_info=data_info, interface=interface)

    @classmethod
    def json(
        cls,
        data: U | None = None,
        info: str = "OK",
        interface: str = Interface.REMOTE,
        exec_code: int = 0,
        status_code: int | None = None,
    ) -> Result[U]:
        """Answer with data, sent as bare JSON."""
        code = exec_code if status_code is None else status_code
        return _success(data, "json", info, "JSON response", interface, code)

    @classmethod
    def text(
        cls,
        text_data: str,
        content_type: str = "text/plain",
        exec_code: int | None = None,
        status: int = 200,
        info: str = "OK",
        interface: str = Interface.REMOTE,
        headers: Mapping[str, str] | None = None,
    ) -> Result[str]:
        """Answer with text, sent as `content_type`."""
        code = status if exec_code is None else exec_code
        result = _success(text_data, content_type, info, "Text response", interface, code)
        return result._with(status=status, headers=dict(headers or {}))

    @classmethod
    def html(
        cls,
        data: str | None = None,
        data_info: Any = "",
        info: str = "OK",
        interface: str = Interface.REMOTE,
        data_type: str = "html",
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        row: bool = False,
    ) -> Result[Any]:
        """Answer with a page. `row` is taken for compatibility: pages are sent as they are."""
        del row
        if headers:
            special = {"html": data, "headers": dict(headers)}
            result = _success(special, "special_html", info, data_info, interface, status)
            return result._with(status=status, headers=dict(headers))
        return _success(data, data_type, info, data_info, interface, status)._with(status=status)

    @classmethod
    def binary(
        cls,
        data: bytes,
        content_type: str = "application/octet-stream",
        download_name: str | None = None,
        info: str = "OK",
        interface: str = Interface.REMOTE,
    ) -> Result[dict[str, Any]]:
        """Answer with bytes; `download_name` makes a browser save them."""
        payload = {"data": data, "content_type": content_type, "filename": download_name}
        return _success(payload, "binary", info, "Binary response", interface)

    @classmethod
    def file(
        cls,
        data: bytes | str,
        filename: str,
        content_type: str | None = None,
        info: str | None = None,
        interface: str = Interface.REMOTE,
    ) -> Result[str]:
        """Answer with a download held in memory, as bytes or as base64 text."""
        encoded = b64encode(data).decode("ascii") if isinstance(data, bytes) else data
        text = info or f"File download: {filename}"
        result = _success(encoded, "file", text, f"filename={filename}", interface, 200)
        return result._with(headers={"content-type": content_type or _guess_type(filename)})

    @classmethod
    def file_path(
        cls,
        path: str | PathLike[str],
        filename: str | None = None,
        content_type: str | None = None,
        info: str | None = None,
        interface: str = Interface.REMOTE,
    ) -> Result[Any]:
        """Answer with a file on disk, sent in parts as the client asks for them.

        A missing file is an error with code 404.
        """
        source = Path(path)
        name = filename or source.name
        if not source.is_file():
            return _failure(ErrorKind.CUSTOM, f"File not found: {name}", 404, interface=interface)
        text = info or f"File download: {name}"
        result = _success(str(source), "file_path", text, f"filename={name}", interface, 200)
        return result._with(headers={"content-type": content_type or _guess_type(name)})

    @classmethod
    def file_stream(
        cls,
        generator: Any,
        filename: str,
        content_type: str | None = None,
        size: int | None = None,
        info: str | None = None,
        cleanup_func: Callable[[], Any] | None = None,
    ) -> Result[Any]:
        """Answer with a download whose bytes are made while it is sent.

        Args:
            generator: Yields bytes; asynchronous, synchronous or any iterable.
            filename: Name that a browser saves it under.
            content_type: Media type, from the name by default.
            size: Length in bytes if it is known.
            info: Text for people.
            cleanup_func: Called when the download ends or is broken off.
        """
        headers = {"content-length": str(size)} if size is not None else {}
        payload = {
            "type": "stream",
            "generator": generator,
            "content_type": content_type or _guess_type(filename),
            "headers": headers,
            "filename": filename,
        }
        text = info or f"File download: {filename}"
        result = _success(payload, "stream", text, f"filename={filename}", Interface.REMOTE)
        return result._with(cleanup=cleanup_func)

    @classmethod
    def redirect(
        cls, url: str, status_code: int = 302, info: str = "Redirect", interface: str = "REMOTE"
    ) -> Result[str]:
        """Send the client to another address."""
        result = _success(url, "redirect", info, "Redirect", interface, status_code)
        return result._with(status=status_code)

    @classmethod
    def stream(
        cls,
        stream_generator: Any,
        content_type: str = "text/event-stream",
        headers: Mapping[str, str] | None = None,
        info: str = "OK",
        interface: str = Interface.REMOTE,
        cleanup_func: Callable[[], Any] | None = None,
    ) -> Result[Any]:
        """Answer with a stream of items.

        Args:
            stream_generator: Asynchronous or synchronous generator, iterable, or a single item.
            content_type: `text/event-stream` frames the items; any other sends them as bytes.
            headers: Headers to add.
            info: Text for people.
            interface: Whom it is for.
            cleanup_func: Called once when the stream ends, fails, or its client leaves.
        """
        payload = {
            "type": "stream",
            "generator": stream_generator,
            "content_type": content_type,
            "headers": dict(headers or {}),
        }
        result = _success(payload, "stream", info, "Streaming response", interface)
        return result._with(cleanup=cleanup_func)

    @classmethod
    def sse(
        cls,
        stream_generator: Any,
        info: str = "OK",
        interface: str = Interface.REMOTE,
        cleanup_func: Callable[[], Any] | None = None,
    ) -> Result[Any]:
        """Answer with server-sent events; see `stream`."""
        return cls.stream(
            stream_generator, info=info, interface=interface, cleanup_func=cleanup_func
        )

    @classmethod
    def default(cls, interface: str = Interface.NATIVE) -> Result[None]:
        """Answer with nothing done."""
        return _success(None, "NoneType", "", None, interface, -1)

    @classmethod
    def future(cls, data: Any = None, info: str = "OK") -> Result[Any]:
        """Answer with an awaitable that `aget` awaits."""
        return _success(data, "future", info, None, Interface.FUTURE)

    @classmethod
    def default_user_error(
        cls,
        info: str = "",
        exec_code: int = -3,
        interface: str = Interface.NATIVE,
        data: Any = None,
    ) -> Result[Any]:
        """Answer that the caller sent something wrong."""
        return _failure(ErrorKind.INPUT, info, exec_code, data, interface=interface)

    @classmethod
    def default_internal_error(
        cls,
        info: str = "",
        exec_code: int = -2,
        interface: str = Interface.NATIVE,
        data: Any = None,
    ) -> Result[Any]:
        """Answer that something broke here. `info` reaches the client: keep secrets out of it."""
        return _failure(ErrorKind.INTERNAL, info, exec_code, data, interface=interface)

    @classmethod
    def custom_error(
        cls, data: Any = None, data_info: Any = "", info: str = "", exec_code: int = -1
    ) -> Result[Any]:
        """Answer with an error that is neither the caller's nor ours."""
        return _failure(ErrorKind.CUSTOM, info, exec_code, data, data_info)

    @classmethod
    def from_error(cls, error: PegboardError) -> Result[Any]:
        """Answer with an error that was raised on purpose; `data_info` is its code."""
        kind = ErrorKind.INPUT if error.status < FIRST_SERVER_ERROR else ErrorKind.INTERNAL
        return _failure(kind, str(error), error.status, data_info=error.code)

    @classmethod
    def unexpected(cls, info: str, data: Any = None) -> Result[Any]:
        """Answer that something broke that nobody foresaw; `info` names what the log has of it."""
        return _failure(ErrorKind.INTERNAL, info, -2, data, "internal")

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
        if isinstance(data, Result):
            return data.get(key, default)
        if key is not None and isinstance(data, dict):
            data = data.get(key)
        return default if data is None else data

    async def aget(self, key: Any = None, default: Any = None) -> Any:
        """Return the data like `get`, awaiting it first if it is awaitable."""
        data: Any = self.result.data
        if inspect.isawaitable(data):
            data = await data
            if isinstance(data, Result):
                return await data.aget(key, default)
            if key is not None and isinstance(data, dict):
                data = data.get(key)
            return default if data is None else data
        return self.get(key, default)

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
        """Return itself."""
        return self

    def to_api_result(self) -> Result[T]:
        """Return itself: its wire shape is that of its fields."""
        return self

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
            msg = f"the origin is set already, to {self.origin!r}"
            raise ValueError(msg)
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
        return self._with(tasks=(*self.tasks, (task, copy_context())))

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
            return Result.custom_error(data=data, **details)
        if kind is LazyFlag.USER:
            return Result.default_user_error(data=data, **details)
        return Result.default_internal_error(data=data, **details)

    def _with(self, **details: Any) -> Result[T]:
        self.__dict__.update({name: value for name, value in details.items() if value})
        return self


ApiResult = Result
"""The name that the spec documents have for a `Result` on the wire."""


def _success(
    data: Any,
    data_type: str,
    info: str,
    data_info: Any = "",
    interface: str = Interface.NATIVE,
    exec_code: int = 0,
) -> Result[Any]:
    payload = ResultData(interface, data_info, data, data_type)
    is_plain = info == "OK" and not exec_code
    return Result("none", None, payload, OK_INFO if is_plain else ResultInfo(exec_code, info))


def _failure(
    kind: ErrorKind,
    info: str,
    exec_code: int,
    data: Any = None,
    data_info: Any = "",
    interface: str = Interface.NATIVE,
) -> Result[Any]:
    payload = ResultData(interface, data_info, data, type(data).__name__)
    return Result(kind, None, payload, ResultInfo(exec_code, info))


def _remote_error(
    data: Any = None,
    data_info: Any = "",
    info: str = "",
    exec_code: int = 450,
    interface: str = Interface.REMOTE,
) -> Result[Any]:
    """Answer a remote client with an error; 450 travels as HTTP 450."""
    return _failure(ErrorKind.CUSTOM, info, exec_code, data, data_info, interface)


def _lazy_flag(flag: int | str) -> LazyFlag:
    try:
        return _LAZY_NAMES[flag] if isinstance(flag, str) else LazyFlag(flag)
    except (KeyError, ValueError):
        msg = f"unknown flag {flag!r}: one of {', '.join(_LAZY_NAMES)}, or 0 to 3"
        raise ValueError(msg) from None


def _guess_type(filename: str) -> str:
    return mimetypes.guess_type(filename)[0] or "application/octet-stream"
