"""What a request brings for its export: query, JSON, form and files, and how they are bound.

Query gives way to form, form to JSON, where two of them bring the same name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from pegboard import Binding, parse_query
from pegboard.errors import InputError, TooLargeError, UnsupportedMediaError
from pegboard_transport_http._json import decode
from pegboard_transport_http._media_type import MediaType

if TYPE_CHECKING:
    from pegboard_transport_http._upload import UploadedFile

__all__ = [
    "MULTIPART",
    "Arguments",
    "Content",
    "bind",
    "check_fields",
    "compile_json",
    "decode_body",
    "query_values",
    "read_content",
]

Arguments = tuple[tuple[Any, ...], dict[str, Any]]

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"

_CODECS = {
    "": "utf-8",
    "ascii": "ascii",
    "iso-8859-1": "latin-1",
    "latin-1": "latin-1",
    "latin1": "latin-1",
    "us-ascii": "ascii",
    "utf-16": "utf-16",
    "utf-16be": "utf-16-be",
    "utf-16le": "utf-16-le",
    "utf-8": "utf-8",
    "utf8": "utf-8",
}
"""Charsets that text may come in. Python has others, some of which take a client's time squared."""


class Content(msgspec.Struct):
    """A decoded body.

    Attributes:
        body: JSON value, text or bytes; None where there is no body or it is a form.
        form: Fields and files, None where the body is no form.
        is_json: Whether `body` is a JSON value.
        uploads: Files of the form.
    """

    body: Any = None
    form: dict[str, Any] | None = None
    is_json: bool = False
    uploads: Sequence[UploadedFile] = ()

    def close(self) -> None:
        """Remove the temporary files of the uploads."""
        for upload in self.uploads:
            upload.close()


def check_fields(encoded: bytes, most: int) -> None:
    """Count the fields of a query or form before any is read.

    Raises:
        TooLargeError: If there are more than `most`.
    """
    if encoded.count(b"&") >= most:
        msg = f"there are more than {most} fields"
        raise TooLargeError(msg)


def query_values(query: bytes) -> dict[str, Any]:
    """Return the arguments in a query string.

    Raises:
        InputError: If it is not UTF-8, percent-encoded.
    """
    try:
        return parse_query(query) if query else {}
    except ValueError as error:
        msg = "the query string is not UTF-8, percent-encoded"
        raise InputError(msg) from error


def read_json(body: bytes) -> Any:
    """Return the JSON value of a body.

    Raises:
        InputError: If it is not JSON, or not UTF-8.
    """
    try:
        return decode(body)
    except UnicodeDecodeError as error:
        msg = f"the JSON body is not UTF-8: {error.reason} at byte {error.start}"
        raise InputError(msg) from error
    except (msgspec.DecodeError, RecursionError) as error:
        msg = f"the JSON body is malformed: {error}"
        raise InputError(msg) from error


def read_content(
    body: bytes, media_type: MediaType, binding: Binding, *, max_fields: int
) -> Content:
    """Decode a body for an export.

    Raises:
        InputError: If it is malformed.
        TooLargeError: If it is a form of more than `max_fields` fields.
        UnsupportedMediaError: If the export takes nothing of this type, or charset.
    """
    known = media_type.is_json or media_type.essence == URLENCODED
    if body and not known and not binding.takes_request:
        raise _unsupported(media_type)
    return decode_body(body, media_type, max_fields=max_fields)


def decode_body(body: bytes, media_type: MediaType, *, max_fields: int) -> Content:
    """Decode a body that is in memory: what is neither JSON nor form nor text stays bytes.

    Raises:
        InputError: If it is malformed.
        TooLargeError: If it is a form of more than `max_fields` fields.
        UnsupportedMediaError: If it is text of a charset that is not understood.
    """
    if media_type.essence == URLENCODED:
        check_fields(body, max_fields)
        return Content(form=read_form(body) if body else {})
    if not body:
        return Content()
    if media_type.is_json:
        return Content(body=read_json(body), is_json=True)
    return Content(body=_read_text(body, media_type) if media_type.is_text else body)


def read_form(body: bytes) -> dict[str, Any]:
    """Return the fields of an urlencoded body.

    Raises:
        InputError: If it is not UTF-8, percent-encoded.
    """
    try:
        return parse_query(body)
    except ValueError as error:
        msg = "the form is not UTF-8, percent-encoded"
        raise InputError(msg) from error


def bind(binding: Binding, query: dict[str, Any], content: Content) -> Arguments:
    """Bind everything that was sent.

    A parameter `form_data` receives the whole form, also the fields that others receive by name.
    Text that came along from a query or form is converted, as text has no types; a JSON body
    alone is taken at its word.

    Raises:
        InputError: If an argument is missing, unknown or ill-typed.
    """
    values = dict(query)
    if content.form is not None:
        if binding.form is None:
            values.update(content.form)
        else:
            named = {each.name for each in binding.parameters} & content.form.keys()
            values.update({name: content.form[name] for name in named})
            values[binding.form] = content.form
    if content.is_json:
        if binding.body is not None:
            values[binding.body] = content.body
        elif isinstance(content.body, dict):
            values.update(content.body)
        elif not binding.takes_request:
            msg = "the JSON body has to be an object: its members are the arguments"
            raise InputError(msg)
    try:
        return binding.bind(values, strict=content.is_json and not query)
    except InputError as error:
        if _is_mistaken(content):
            msg = f"{error}; JSON is read where the request says `content-type: application/json`"
            raise InputError(msg) from error
        raise


def compile_json(
    binding: Binding,
) -> Callable[[bytes], tuple[tuple[Any, ...], Any]] | None:
    """Return what makes of a JSON body positional arguments, and the decoded body, in one step.

    None where that step would not do: then the body is decoded first and bound by `bind`.
    """
    if not binding.is_plain or binding.is_open:
        return None
    if binding.body is None:
        convert = msgspec.json.Decoder(binding.arguments).decode
        astuple, asdict = msgspec.structs.astuple, msgspec.structs.asdict

        def spread(body: bytes) -> tuple[tuple[Any, ...], Any]:
            arguments = convert(body)
            return astuple(arguments), asdict(arguments)

        return spread
    if len(binding.parameters) > 1:
        return None
    decode_whole = msgspec.json.Decoder(binding.parameters[0].type).decode

    def whole(body: bytes) -> tuple[tuple[Any, ...], Any]:
        value = decode_whole(body)
        return (value,), value

    return whole


def _is_mistaken(content: Content) -> bool:
    """Whether a form looks like JSON that was sent as one, as curl does unless it is told."""
    first = next(iter(content.form or ()), "")
    return first.lstrip().startswith(("{", "["))


def _read_text(body: bytes, media_type: MediaType) -> str:
    codec = _CODECS.get(media_type.charset)
    if codec is None:
        msg = "text has to be in UTF-8; UTF-16, ISO-8859-1 and US-ASCII are understood, too"
        raise UnsupportedMediaError(msg)
    try:
        return body.decode(codec)
    except UnicodeDecodeError as error:
        msg = f"the body is not {codec} text"
        raise InputError(msg) from error


def _unsupported(media_type: MediaType) -> UnsupportedMediaError:
    found = media_type.essence or "nothing"
    return UnsupportedMediaError(
        f"the body has to be application/json, {URLENCODED} or {MULTIPART}; "
        f"its Content-Type says {found}"
    )
