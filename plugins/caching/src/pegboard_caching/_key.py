"""Under which key the answer to a call is kept: its arguments, bound, in a form that compares."""

from __future__ import annotations

import inspect
from hashlib import blake2b
from typing import Any, TypeAlias

import msgspec

from pegboard import Binding, current_session

__all__ = ["CallKey", "Key", "UnfitArgumentsError", "text_of"]

Key: TypeAlias = tuple[Any, ...]

LONGEST = 128
"""Bytes of encoded arguments that are a key as they are; longer ones are hashed."""

_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)

_encode = msgspec.msgpack.Encoder(order="deterministic").encode


class UnfitArgumentsError(Exception):
    """The arguments have no key: they do not fit the signature, or hold what has no plain form."""


class CallKey:
    """Makes the keys of one export.

    A positional and a named argument, and a default that is left out or given, are the same call.
    1, True, 1.0 and "1" are different ones.

    Args:
        binding: How the export is called.
        per_user: Whether who asks is part of the key.
    """

    __slots__ = ("_is_plain", "_most", "_per_user", "_signature")

    def __init__(self, binding: Binding, *, per_user: bool) -> None:
        self._signature = binding.signature
        self._most = len(self._signature.parameters)
        self._per_user = per_user
        self._is_plain = not any(
            parameter.kind in _VARIADIC for parameter in self._signature.parameters.values()
        )

    def __call__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Key:
        """Return the key of a call.

        Raises:
            UnfitArgumentsError: If the call has none.
        """
        if kwargs or len(args) != self._most or not self._is_plain:
            args = tuple(self.arguments(args, kwargs).values())
        try:
            encoded = _encode(args)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise UnfitArgumentsError(str(error)) from error
        if len(encoded) > LONGEST:
            encoded = blake2b(encoded, digest_size=32).digest()
        if self._per_user:
            return (encoded, *map(type, args), _asking())
        return (encoded, *map(type, args))

    def arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Return all arguments of a call by name, in the order of the signature.

        Raises:
            UnfitArgumentsError: If they do not fit the signature.
        """
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError as error:
            raise UnfitArgumentsError(str(error)) from error
        bound.apply_defaults()
        return bound.arguments


def text_of(key: Key) -> str:
    """Return a key as text that is the same in every process."""
    parts = [part.__qualname__ if isinstance(part, type) else repr(part) for part in key]
    return blake2b("\n".join(parts).encode("utf-8", "surrogatepass"), digest_size=32).hexdigest()


def _asking() -> str:
    """Return who asks, and what they may: one whose session has ended is not who they were."""
    session = current_session()
    return f"{session.valid:d} {session.level} {session.user_id or session.session_id}"
