"""Reading multipart forms while they come in: the one place that knows python-multipart.

Files go to temporary files on disk, fields to memory; everything that a client decides about is
bounded.

Source: RFC 7578.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import msgspec
from anyio import to_thread
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser

from pegboard.errors import InputError, TooLargeError
from pegboard_transport_http._media_type import parse_parameters
from pegboard_transport_http._upload import UploadedFile

if TYPE_CHECKING:
    from pegboard_transport_http.config import HttpSettings

__all__ = ["read_multipart"]

BATCH = 256 * 1024
"""Bytes that are parsed before they are written to disk together."""


class Form(msgspec.Struct):
    """A multipart form.

    Attributes:
        values: Text of the fields and files, by name; a list where a name is repeated.
        uploads: The files, in order.
    """

    values: dict[str, Any]
    uploads: list[UploadedFile]


async def read_multipart(
    parts: AsyncGenerator[bytes, None], boundary: str, settings: HttpSettings
) -> Form:
    """Read a form to its end.

    Args:
        parts: The body as it comes in.
        boundary: What stands between the parts, by the Content-Type header.
        settings: The limits.

    Raises:
        InputError: If the form is malformed or beyond a limit.
    """
    async with aclosing(parts):
        reader = _Reader(boundary, settings)
        try:
            async for chunk in parts:
                reader.feed(chunk)
                if reader.pending >= BATCH:
                    await reader.flush()
            await reader.flush()
            return reader.finish()
        except BaseException:
            reader.close()
            raise


class _Reader:
    """The state of one form: what the parser reports is collected here."""

    def __init__(self, boundary: str, settings: HttpSettings) -> None:
        if not boundary:
            msg = "multipart/form-data needs a boundary"
            raise InputError(msg)
        self.pending = 0
        self.uploads: list[UploadedFile] = []
        self._settings = settings
        self._values: dict[str, Any] = {}
        self._headers: dict[bytes, bytes] = {}
        self._name = b""
        self._value = b""
        self._field: str | None = None
        self._text = bytearray()
        self._upload: UploadedFile | None = None
        self._writes: list[tuple[UploadedFile, bytes]] = []
        self._parts = 0
        self._in_memory = 0
        self._is_complete = False
        try:
            self._parser = MultipartParser(
                boundary.encode("latin-1"),
                {
                    "on_part_begin": self._on_part_begin,
                    "on_header_field": self._on_header_field,
                    "on_header_value": self._on_header_value,
                    "on_header_end": self._on_header_end,
                    "on_headers_finished": self._on_headers_finished,
                    "on_part_data": self._on_part_data,
                    "on_part_end": self._on_part_end,
                    "on_end": self._on_end,
                },
                max_header_count=settings.max_part_headers,
                max_header_size=settings.max_part_header,
            )
        except FormParserError as error:
            raise _malformed(error) from error

    def feed(self, chunk: bytes) -> None:
        """Parse what has come in.

        Raises:
            InputError: If it is malformed or beyond a limit.
        """
        if self._is_complete:
            return  # an epilogue, which RFC 2046 tells us to skip
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise _malformed(error) from error

    async def flush(self) -> None:
        """Write to the files what was parsed: in a thread, if one of them is on disk."""
        writes, self._writes, self.pending = self._writes, [], 0
        if sum(len(data) for _, data in writes) < self._settings.spool and all(
            upload.size <= self._settings.spool for upload, _ in writes
        ):
            _write(writes)
        else:
            await to_thread.run_sync(_write, writes)

    def finish(self) -> Form:
        """Return the form.

        Raises:
            InputError: If its end is missing.
        """
        if not self._is_complete:
            msg = "the multipart body ends before its closing boundary"
            raise InputError(msg)
        for upload in self.uploads:
            upload.file.seek(0)
        return Form(self._values, self.uploads)

    def close(self) -> None:
        """Remove the files."""
        for upload in self.uploads:
            upload.close()

    # -- what the parser reports -----------------------------------------------------------

    def _on_part_begin(self) -> None:
        self._parts += 1
        if self._parts > self._settings.max_parts:
            msg = f"the form has more than {self._settings.max_parts} parts"
            raise TooLargeError(msg)
        self._headers = {}
        self._name = self._value = b""
        self._text = bytearray()
        self._upload = self._field = None

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        self._headers[self._name.lower()] = self._value
        self._name = self._value = b""

    def _on_headers_finished(self) -> None:
        kind, options = parse_parameters(self._headers.get(b"content-disposition", b""))
        if kind != "form-data" or "name" not in options:
            msg = "each part needs `content-disposition: form-data` with a name"
            raise InputError(msg)
        self._field = _utf8(options["name"].encode("latin-1"), "the name of a field")
        if "filename" in options:
            self._upload = self._new_upload(options["filename"].encode("latin-1"))

    def _new_upload(self, filename: bytes) -> UploadedFile:
        settings = self._settings
        if len(filename) > settings.max_filename:
            msg = f"a file name is longer than {settings.max_filename} bytes"
            raise TooLargeError(msg)
        if len(self.uploads) >= settings.max_files:
            msg = f"the form has more than {settings.max_files} files"
            raise TooLargeError(msg)
        upload = UploadedFile(
            _utf8(filename, "a file name"),
            self._headers.get(b"content-type", b"application/octet-stream").decode("latin-1"),
            spool=settings.spool,
            folder=settings.upload_folder,
        )
        self.uploads.append(upload)
        return upload

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        size = end - start
        if self._upload is not None:
            self._upload.size += size
            self._writes.append((self._upload, data[start:end]))
            self.pending += size
            return
        self._in_memory += size
        if len(self._text) + size > self._settings.max_field:
            msg = f"field {self._field!r} is larger than {self._settings.max_field} bytes"
            raise TooLargeError(msg)
        if self._in_memory > self._settings.max_memory_body:
            msg = f"the fields are larger than {self._settings.max_memory_body} bytes"
            raise TooLargeError(msg)
        self._text += data[start:end]

    def _on_part_end(self) -> None:
        if self._field is None:
            return
        value: Any = self._upload
        if value is None:
            value = _utf8(bytes(self._text), f"field {self._field!r}")
        if self._field not in self._values:
            self._values[self._field] = value
        elif isinstance(self._values[self._field], list):
            self._values[self._field].append(value)
        else:
            self._values[self._field] = [self._values[self._field], value]

    def _on_end(self) -> None:
        self._is_complete = True


def _write(writes: list[tuple[UploadedFile, bytes]]) -> None:
    for upload, data in writes:
        upload.file.write(data)


def _utf8(data: bytes, what: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        msg = f"{what} is not UTF-8"
        raise InputError(msg) from error


def _malformed(error: FormParserError) -> InputError:
    return InputError(f"the multipart body is malformed: {error}")
