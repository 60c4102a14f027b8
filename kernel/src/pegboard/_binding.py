"""From what was sent to the arguments of a function: signature to decoder, worked out once."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from itertools import takewhile
from types import UnionType
from typing import Any, Literal, Protocol

import msgspec

from pegboard._request import RequestData
from pegboard.errors import ConfigError, InputError

__all__ = ["Arguments", "Binding", "Parameter"]

Arguments = tuple[tuple[Any, ...], dict[str, Any]]

Injected = Literal["app", "request", "state"]

_RESERVED_NAMES = (
    "app args args_ get_results kwargs kwargs_ mod_function_name request row self spec state "
    "ws_context"
)
RESERVED = frozenset(_RESERVED_NAMES.split())
"""Names that an export with `**kwargs` never receives from outside."""

_RESERVED_PREFIX = "tb_run_"
_SENTENCES = {
    "Object missing required field": "missing",
    "Object contains unknown field": "unknown",
}
_NO_KEYWORDS: dict[str, Any] = {}
_MANY = (list, tuple, set, frozenset)
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Bind(Protocol):
    """Converts what was sent to the arguments of one function."""

    def __call__(self, values: dict[str, Any], *, strict: bool = False) -> Arguments:
        """Convert `values`.

        Args:
            values: Names and values; may be changed.
            strict: Whether text stays text; a query or form has nothing but text.

        Raises:
            InputError: If an argument is missing, unknown or of the wrong type, naming it.
        """
        ...


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """One argument that a caller from outside may send.

    Attributes:
        name: Name of the argument.
        type: Its annotation, `Any` without one.
        required: Whether it has no default.
        default: Its default.
        repeated: Whether one value in a query stands for a list of one.
    """

    name: str
    type: Any
    required: bool
    default: Any = None
    repeated: bool = False


class Binding:
    """How one function is called.

    Attributes:
        parameters: What a caller may send, in the order of the signature.
        leading: What is injected before the caller's positional arguments.
        injected: What is injected by keyword: parameter name to what.
        takes_request: Whether the request is injected.
        signature: What callers see: without injected parameters.
        is_plain: Whether positional arguments can be handed on as they come.
        takes_rest: Whether `**kwargs` receives what is not named.
        is_open: Whether more may be sent than is named.
        arguments: Struct type of the arguments from outside.
        body: Name of the parameter that receives a whole JSON body, or None.
        form: Name of the parameter that receives a whole form, or None.
        bind: Converts what was sent, by name; see `Bind`.

    Args:
        function: The function.
        request_as_kwarg: Whether it asked for the request in its declaration.
        state: Whether a first parameter `self` or `state` is injected.

    Raises:
        ConfigError: If the signature cannot be called from outside, saying why.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        request_as_kwarg: bool = False,
        state: bool | None = None,
    ) -> None:
        signature = inspect.signature(function)
        hints = _type_hints(function)
        kinds = {
            name: _injection(name, hints.get(name), is_first=index == 0, state=state)
            for index, (name, parameter) in enumerate(signature.parameters.items())
            if parameter.kind not in _VARIADIC
        }
        variadic = {each.kind for each in signature.parameters.values()}.intersection(_VARIADIC)
        self.takes_rest = inspect.Parameter.VAR_KEYWORD in variadic
        self._takes_more = inspect.Parameter.VAR_POSITIONAL in variadic
        self._assign_injected(signature, kinds, request_as_kwarg=request_as_kwarg)
        self.parameters = tuple(
            _parameter(each, hints)
            for name, each in signature.parameters.items()
            if name in kinds and kinds[name] is None
        )
        self._names = tuple(each.name for each in self.parameters)
        self._repeated = frozenset(each.name for each in self.parameters if each.repeated)
        self.takes_request = "request" in self.injected.values() or "request" in self.leading
        self.is_open = self.takes_rest or self.takes_request
        self.body = "data" if "data" in self._names else None
        self.form = "form_data" if "form_data" in self._names else None
        self.arguments = _struct(function, self.parameters, is_open=self.is_open)
        self.signature = signature.replace(
            parameters=[each for each in signature.parameters.values() if not kinds.get(each.name)],
            return_annotation=inspect.Signature.empty,
        )
        self._hidden = RESERVED | {name for name, kind in kinds.items() if kind}
        self._split = _positional_count(signature, kinds, len(self.leading))
        self.is_plain = self._split == len(self._names)
        self._convert = _simple_bind(self.arguments)
        is_simple = self.is_plain and not self.is_open and not self._repeated
        self.bind = self._convert if is_simple else self._bind_any

    def _assign_injected(
        self,
        signature: inspect.Signature,
        kinds: dict[str, Injected | None],
        *,
        request_as_kwarg: bool,
    ) -> None:
        leading: list[Injected] = []
        injected: dict[str, Injected] = {}
        for index, (name, kind) in enumerate(kinds.items()):
            if kind and len(leading) == index and signature.parameters[name].kind in _POSITIONAL:
                leading.append(kind)
            elif kind:
                injected[name] = kind
        if request_as_kwarg and "request" not in (*leading, *injected.values()):
            if not self.takes_rest:
                raise ConfigError(
                    "request_as_kwarg=True, but there is no parameter `request` to receive it"
                )
            injected["request"] = "request"
        self.leading, self.injected = tuple(leading), injected

    @property
    def has_input(self) -> bool:
        """Whether a caller can send anything."""
        return bool(self._names) or self.is_open

    def _bind_any(self, values: dict[str, Any], *, strict: bool = False) -> Arguments:
        rest = self._take_rest(values) if self.is_open else _NO_KEYWORDS
        for name in self._repeated & values.keys():
            if not isinstance(values[name], (list, tuple)):
                values[name] = [values[name]]
        positional, _ = self._convert(values, strict=strict)
        named = dict(zip(self._names[self._split :], positional[self._split :], strict=True))
        return positional[: self._split], {**named, **rest}

    def bind_call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
        """Check a call in process against the signature, changing no value.

        Raises:
            InputError: If the arguments do not fit the signature.
        """
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise InputError(str(error)) from error
        if self._takes_more or len(bound.args) <= self._split:
            return bound.args, bound.kwargs
        names = self._names[self._split :]
        moved = dict(zip(names, bound.args[self._split :], strict=False))
        return bound.args[: self._split], {**moved, **bound.kwargs}

    def mismatch(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> InputError | None:
        """Return why a call in process does not fit the signature, None if it does."""
        try:
            self.bind_call(args, kwargs)
        except InputError as error:
            return error
        return None

    def _take_rest(self, values: dict[str, Any]) -> dict[str, Any]:
        rest = {name: values.pop(name) for name in values.keys() - set(self._names)}
        if not self.takes_rest:
            return _NO_KEYWORDS
        return {
            name: value
            for name, value in rest.items()
            if name not in self._hidden and not name.startswith(_RESERVED_PREFIX)
        }


def _simple_bind(struct: type[msgspec.Struct]) -> Bind:
    """Return the `bind` of a function that takes nothing but positional arguments."""
    convert, astuple = msgspec.convert, msgspec.structs.astuple

    def bind(values: dict[str, Any], *, strict: bool = False) -> Arguments:
        try:
            return astuple(convert(values, struct, strict=strict)), _NO_KEYWORDS
        except msgspec.ValidationError as error:
            raise InputError(_explain(str(error))) from error

    return bind


def _injection(name: str, hint: Any, *, is_first: bool, state: bool | None) -> Injected | None:
    if _is_app(hint) or (name == "app" and hint in (None, Any)):
        return None if is_first and state is False else "app"
    if RequestData in _alternatives(hint) or (name == "request" and hint in (None, Any)):
        return "request"
    if is_first and name in {"self", "state"} and state is not False:
        return "state"
    return None


def _is_app(hint: Any) -> bool:
    from pegboard._app import App

    return any(isinstance(each, type) and issubclass(each, App) for each in _alternatives(hint))


def _alternatives(hint: Any) -> tuple[Any, ...]:
    if typing.get_origin(hint) in (typing.Union, UnionType):
        return typing.get_args(hint)
    return (hint,)


def _type_hints(function: Callable[..., Any]) -> dict[str, Any]:
    target = inspect.unwrap(function)
    if not any(isinstance(hint, str) for hint in getattr(target, "__annotations__", {}).values()):
        return dict(getattr(target, "__annotations__", {}))
    names = inspect.getclosurevars(target).nonlocals if inspect.isfunction(target) else {}
    try:
        return typing.get_type_hints(target, localns=dict(names) or None, include_extras=True)
    except NameError as error:
        raise ConfigError(
            f"the annotations of {_name(target)} cannot be read: {error}; "
            "import the name outside of `if TYPE_CHECKING`"
        ) from error


def _parameter(parameter: inspect.Parameter, hints: dict[str, Any]) -> Parameter:
    hint = hints.get(parameter.name, Any)
    required = parameter.default is inspect.Parameter.empty
    return Parameter(
        name=parameter.name,
        type=hint,
        required=required,
        default=None if required else parameter.default,
        repeated=any((typing.get_origin(each) or each) in _MANY for each in _alternatives(hint)),
    )


def _struct(
    function: Callable[..., Any], parameters: tuple[Parameter, ...], *, is_open: bool
) -> type[msgspec.Struct]:
    fields = [
        (each.name, each.type) if each.required else (each.name, each.type, _default(each.default))
        for each in parameters
    ]
    name = f"{_name(function).rpartition('.')[2]}_arguments"
    try:
        struct = msgspec.defstruct(name, fields, kw_only=True, forbid_unknown_fields=not is_open)
        msgspec.json.Decoder(struct)
    except TypeError as error:
        raise ConfigError(
            f"the annotations of {_name(function)} cannot be decoded: {error}"
        ) from error
    return struct


def _default(value: Any) -> Any:
    """Return what gives the default itself, as a Python function does, and not a copy."""
    is_copied = isinstance(value, (list, dict, set, bytearray))
    return msgspec.field(default_factory=lambda: value) if is_copied else value


def _name(function: Callable[..., Any]) -> str:
    return str(getattr(function, "__qualname__", type(function).__qualname__))


def _positional_count(
    signature: inspect.Signature, kinds: dict[str, Injected | None], leading: int
) -> int:
    """Count the caller's arguments that can be handed on by position."""
    rest = list(signature.parameters.values())[leading:]
    fits = (not kinds.get(each.name) and each.kind in _POSITIONAL for each in rest)
    return sum(1 for _ in takewhile(bool, fits))


def _explain(message: str) -> str:
    """Say in terms of arguments what msgspec says in terms of an object."""
    text, _, place = message.partition(" - at `$.")
    within = place.rstrip("`")
    for theirs, ours in _SENTENCES.items():
        if text.startswith(theirs):
            prefix = f"{within}." if within else ""
            return text.replace(f"{theirs} `", f"{ours} argument `{prefix}")
    if not within:
        return message
    return f"argument `{within}`: {text[:1].lower()}{text[1:]}"
