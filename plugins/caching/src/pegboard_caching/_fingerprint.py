"""What the code of an export looked like when its answer was kept."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any

__all__ = ["fingerprint"]


def fingerprint(function: Callable[..., Any], version: str | None) -> str:
    """Return what changes with the source of the function's module, or with its version.

    Code that the module imports is not looked at: who changes that raises `version`.
    """
    code = blake2b(digest_size=16)
    code.update(f"{function.__module__}.{function.__qualname__}\0{version}\0".encode())
    code.update(_source(inspect.unwrap(function)))
    return code.hexdigest()


def _source(function: Callable[..., Any]) -> bytes:
    try:
        return Path(inspect.getsourcefile(function) or "").read_bytes()
    except (OSError, TypeError):  # typed at a prompt, or made by code
        compiled = getattr(function, "__code__", None)
        return (
            b"" if compiled is None else bytes(compiled.co_code) + repr(compiled.co_names).encode()
        )
