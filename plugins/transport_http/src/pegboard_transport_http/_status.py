"""From the code of a result to the status of the response."""

from __future__ import annotations

from typing import Any

from pegboard import ErrorKind, Result

__all__ = ["error_status", "success_status"]

_BY_KIND = {ErrorKind.INPUT: 400, ErrorKind.INTERNAL: 500, ErrorKind.CUSTOM: 400}


def success_status(code: int) -> int:
    """Return the status of a success: codes from 200 to 399 as they are, else 200."""
    return code if 200 <= code < 400 else 200


def error_status(result: Result[Any]) -> int:
    """Return the status of an error: codes from 400 to 599 as they are, else by its kind."""
    code = result.info.exec_code
    if 400 <= code < 600:
        return code
    nested = result.result.data
    if result.kind == ErrorKind.NONE and isinstance(nested, Result):
        return error_status(nested)
    return _BY_KIND.get(ErrorKind(result.kind), 500)
