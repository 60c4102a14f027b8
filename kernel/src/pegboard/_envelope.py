"""The envelope of an answer: its parts, and the constructors that fill it."""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from pegboard.errors import FIRST_SERVER_ERROR, PegboardError

if TYPE_CHECKING:
    from os import PathLike

    from pegboard._result import Result

__all__ = ["OK_INFO", "Constructors", "ErrorKind", "Interface", "ResultData", "ResultInfo"]

T = TypeVar("T")
U = TypeVar("U")


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


class Constructors:
    """The constructors of `Result`."""

    @classmethod
    def ok(
        cls,
        data: U | None = None,
        data_info: Any = "",
        info: str = "OK",
        interface: str = Interface.NATIVE,
    ) -> Result[U]:
        """Answer with data, sent as the envelope."""
        payload = ResultData(interface, data_info, data, type(data).__name__)
        details = OK_INFO if info == "OK" else ResultInfo(0, info)
        result: Result[U] = cls("none", None, payload, details)  # type: ignore[call-arg, assignment]  # of `Result`
        return result

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
        return cls._success(data, "json", info, "JSON response", interface, code)

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
        beside = {"status": status, "headers": dict(headers or {})}
        return cls._success(
            text_data, content_type, info, "Text response", interface, code, **beside
        )

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
        beside = {"status": status, "headers": dict(headers or {})}
        payload: Any = data
        if headers:
            payload, data_type = {"html": data, "headers": dict(headers)}, "special_html"
        return cls._success(payload, data_type, info, data_info, interface, status, **beside)

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
        return cls._success(payload, "binary", info, "Binary response", interface)

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
        encoded = (
            b2a_base64(data, newline=False).decode("ascii") if isinstance(data, bytes) else data
        )
        text = info or f"File download: {filename}"
        headers = {"content-type": content_type or _guess_type(filename)}
        return cls._success(
            encoded, "file", text, f"filename={filename}", interface, 200, headers=headers
        )

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
            return cls._failure(
                ErrorKind.CUSTOM, f"File not found: {name}", 404, interface=interface
            )
        text = info or f"File download: {name}"
        headers = {"content-type": content_type or _guess_type(name)}
        return cls._success(
            str(source), "file_path", text, f"filename={name}", interface, 200, headers=headers
        )

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
        about = f"filename={filename}"
        return cls._success(payload, "stream", text, about, Interface.REMOTE, cleanup=cleanup_func)

    @classmethod
    def redirect(
        cls, url: str, status_code: int = 302, info: str = "Redirect", interface: str = "REMOTE"
    ) -> Result[str]:
        """Send the client to another address."""
        return cls._success(
            url, "redirect", info, "Redirect", interface, status_code, status=status_code
        )

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
        about = "Streaming response"
        return cls._success(payload, "stream", info, about, interface, cleanup=cleanup_func)

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
        return cls._success(None, "NoneType", "", None, interface, -1)

    @classmethod
    def future(cls, data: Any = None, info: str = "OK") -> Result[Any]:
        """Answer with an awaitable that `aget` awaits."""
        return cls._success(data, "future", info, None, Interface.FUTURE)

    @classmethod
    def default_user_error(
        cls,
        info: str = "",
        exec_code: int = -3,
        interface: str = Interface.NATIVE,
        data: Any = None,
    ) -> Result[Any]:
        """Answer that the caller sent something wrong."""
        return cls._failure(ErrorKind.INPUT, info, exec_code, data, interface=interface)

    @classmethod
    def default_internal_error(
        cls,
        info: str = "",
        exec_code: int = -2,
        interface: str = Interface.NATIVE,
        data: Any = None,
    ) -> Result[Any]:
        """Answer that something broke here. `info` reaches the client: keep secrets out of it."""
        return cls._failure(ErrorKind.INTERNAL, info, exec_code, data, interface=interface)

    @classmethod
    def custom_error(
        cls, data: Any = None, data_info: Any = "", info: str = "", exec_code: int = -1
    ) -> Result[Any]:
        """Answer with an error that is neither the caller's nor ours."""
        return cls._failure(ErrorKind.CUSTOM, info, exec_code, data, data_info)

    @classmethod
    def from_error(cls, error: PegboardError) -> Result[Any]:
        """Answer with an error that was raised on purpose; `data_info` is its code."""
        kind = ErrorKind.INPUT if error.status < FIRST_SERVER_ERROR else ErrorKind.INTERNAL
        return cls._failure(kind, str(error), error.status, data_info=error.code)

    @classmethod
    def unexpected(cls, info: str, data: Any = None) -> Result[Any]:
        """Answer that something broke that nobody foresaw; `info` names what the log has of it."""
        return cls._failure(ErrorKind.INTERNAL, info, -2, data, "internal")

    @classmethod
    def _remote_error(
        cls,
        data: Any = None,
        data_info: Any = "",
        info: str = "",
        exec_code: int = 450,
        interface: str = Interface.REMOTE,
    ) -> Result[Any]:
        """Answer a remote client with an error; 450 travels as HTTP 450."""
        return cls._failure(ErrorKind.CUSTOM, info, exec_code, data, data_info, interface)

    @classmethod
    def _success(
        cls,
        data: Any,
        data_type: str,
        info: str,
        data_info: Any = "",
        interface: str = Interface.NATIVE,
        exec_code: int = 0,
        **beside: Any,
    ) -> Result[Any]:
        payload = ResultData(interface, data_info, data, data_type)
        details = OK_INFO if info == "OK" and not exec_code else ResultInfo(exec_code, info)
        result: Result[Any] = cls("none", None, payload, details)  # type: ignore[call-arg, assignment]  # the same
        if beside:
            vars(result).update({name: value for name, value in beside.items() if value})
        return result

    @classmethod
    def _failure(
        cls,
        kind: ErrorKind,
        info: str,
        exec_code: int,
        data: Any = None,
        data_info: Any = "",
        interface: str = Interface.NATIVE,
    ) -> Result[Any]:
        payload = ResultData(interface, data_info, data, type(data).__name__)
        result: Result[Any] = cls(kind, None, payload, ResultInfo(exec_code, info))  # type: ignore[call-arg, assignment]  # the same
        return result


def _guess_type(filename: str) -> str:
    import mimetypes  # here, since few answers are files

    return mimetypes.guess_type(filename)[0] or "application/octet-stream"
