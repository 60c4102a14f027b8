"""From what was sent to the arguments of a function: signature to decoder, worked out once."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from functools import partial
from types import UnionType
from typing import Any, Literal, Protocol

import msgspec

from pegboard._request import RequestData
from pegboard.errors import ConfigError, InputError

__all__ = ["Arguments", "Binding", "Parameter"]

Arguments = tuple[tuple[Any, ...], dict[str, Any]]

Injected = Literal["app", "request", "state"]

RESERVED = frozenset(
    {
        "app",
        "args",
        "args_",
        "get_results",
        "kwargs",
        "kwargs_",
        "mod_function_name",
        "request",
        "row",
        "self",
        "spec",
        "state",
        "ws_context",
    }
)
"""Names that an export with `**kwargs` never receives from outside."""

_RESERVED_PREFIX = "tb_run_"
_SENTENCES = {
    "Object missing required field": "missing",
    "Object contains unknown field": "unknown",
}
_NO_KEYWORDS: dict[str, Any] = {}
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

    __slots__ = (
        "_hidden",
        "_names",
        "_repeated",
        "_signature",
        "_split",
        "_takes_more",
        "_tuple",
        "arguments",
        "bind",
        "body",
        "form",
        "injected",
        "is_open",
        "leading",
        "parameters",
        "takes_request",
        "takes_rest",
    )

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
        self.takes_rest = any(
            parameter.kind is inspect.Parameter.VAR_KEYWORD
            for parameter in signature.parameters.values()
        )
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
        self._signature = signature.replace(
            parameters=[each for each in signature.parameters.values() if not kinds.get(each.name)],
            return_annotation=inspect.Signature.empty,
        )
        self._hidden = RESERVED | {name for name, kind in kinds.items() if kind}
        self._split = _positional_count(signature, kinds)
        self._tuple = self._split == len(self._names)
        self._takes_more = any(
            parameter.kind is inspect.Parameter.VAR_POSITIONAL
            for parameter in signature.parameters.values()
        )
        is_simple = self._tuple and not self.is_open and not self._repeated
        self.bind = _simple_bind(self.arguments) if is_simple else self._bind_any

    def _assign_injected(
        self,
        signature: inspect.Signature,
        kinds: dict[str, Injected | None],
        *,
        request_as_kwarg: bool,
    ) -> None:
        leading: list[Injected] = []
        injected: dict[str, Injected] = {}
        for name, kind in kinds.items():
            is_leading = len(leading) == list(kinds).index(name)
            if kind and is_leading and signature.parameters[name].kind in _POSITIONAL:
                leading.append(kind)
            elif kind:
                injected[name] = kind
        if request_as_kwarg and "request" not in (*leading, *injected.values()):
            if not self.takes_rest:
                msg = "request_as_kwarg=True, but there is no parameter `request` to receive it"
                raise ConfigError(msg)
            injected["request"] = "request"
        self.leading, self.injected = tuple(leading), injected

    @property
    def signature(self) -> inspect.Signature:
        """The signature that callers see: without injected parameters."""
        return self._signature

    @property
    def has_input(self) -> bool:
        """Whether a caller can send anything."""
        return bool(self._names) or self.is_open

    def _bind_any(self, values: dict[str, Any], *, strict: bool = False) -> Arguments:
        rest = self._take_rest(values) if self.is_open else _NO_KEYWORDS
        for name in self._repeated & values.keys():
            if not isinstance(values[name], (list, tuple)):
                values[name] = [values[name]]
        positional = _converted(values, self.arguments, strict=strict)
        named = dict(zip(self._names[self._split :], positional[self._split :], strict=True))
        return positional[: self._split], {**named, **rest}

    def bind_call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
        """Check a call in process against the signature, changing no value.

        Raises:
            InputError: If the arguments do not fit the signature.
        """
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError as error:
            raise InputError(str(error)) from error
        if self._takes_more or len(bound.args) <= self._split:
            return bound.args, bound.kwargs
        names = self._names[self._split :]
        moved = dict(zip(names, bound.args[self._split :], strict=False))
        return bound.args[: self._split], {**moved, **bound.kwargs}

    def fits(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Whether a call in process fits the signature."""
        try:
            self._signature.bind(*args, **kwargs)
        except TypeError:
            return False
        return True

    @property
    def is_plain(self) -> bool:
        """Whether positional arguments can be handed on as they come."""
        return self._tuple

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


def _converted(
    values: dict[str, Any], struct: type[msgspec.Struct], *, strict: bool
) -> tuple[Any, ...]:
    try:
        return msgspec.structs.astuple(msgspec.convert(values, struct, strict=strict))
    except msgspec.ValidationError as error:
        raise InputError(_explain(str(error))) from error


def _injection(name: str, hint: Any, *, is_first: bool, state: bool | None) -> Injected | None:
    if _is_app(hint) or (name == "app" and hint in (None, Any)):
        return None if is_first and state is False else "app"
    if _is_request(hint) or (name == "request" and hint in (None, Any)):
        return "request"
    if is_first and name in {"self", "state"} and state is not False:
        return "state"
    return None


def _is_app(hint: Any) -> bool:
    from pegboard._app import App

    return any(isinstance(each, type) and issubclass(each, App) for each in _alternatives(hint))


def _is_request(hint: Any) -> bool:
    return RequestData in _alternatives(hint)


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
        msg = (
            f"the annotations of {_name(target)} cannot be read: {error}; "
            "import the name outside of `if TYPE_CHECKING`"
        )
        raise ConfigError(msg) from error


def _parameter(parameter: inspect.Parameter, hints: dict[str, Any]) -> Parameter:
    hint = hints.get(parameter.name, Any)
    required = parameter.default is inspect.Parameter.empty
    return Parameter(
        name=parameter.name,
        type=hint,
        required=required,
        default=None if required else parameter.default,
        repeated=any(
            typing.get_origin(each) in (list, tuple, set, frozenset)
            or each in (list, tuple, set, frozenset)
            for each in _alternatives(hint)
        ),
    )


def _struct(
    function: Callable[..., Any], parameters: tuple[Parameter, ...], *, is_open: bool
) -> type[msgspec.Struct]:
    fields: list[Any] = []
    for each in parameters:
        if each.required:
            fields.append((each.name, each.type))
        elif isinstance(each.default, (list, dict, set, bytearray)):
            shared = each.default
            default = msgspec.field(default_factory=partial(_same, shared))
            fields.append((each.name, each.type, default))
        else:
            fields.append((each.name, each.type, each.default))
    name = f"{_name(function).rpartition('.')[2]}_arguments"
    try:
        struct = msgspec.defstruct(name, fields, kw_only=True, forbid_unknown_fields=not is_open)
        msgspec.json.Decoder(struct)
    except TypeError as error:
        msg = f"the annotations of {_name(function)} cannot be decoded: {error}"
        raise ConfigError(msg) from error
    return struct


def _same(value: Any) -> Any:
    """Give the default itself, as a Python function does, and not a copy."""
    return value


def _name(function: Callable[..., Any]) -> str:
    return str(getattr(function, "__qualname__", type(function).__qualname__))


def _positional_count(signature: inspect.Signature, kinds: dict[str, Injected | None]) -> int:
    """Count the caller's arguments that can be handed on by position."""
    count = 0
    is_leading = True
    for name, parameter in signature.parameters.items():
        if kinds.get(name):
            if not is_leading:
                break
            continue
        is_leading = False
        if parameter.kind not in _POSITIONAL:
            break
        count += 1
    return count


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
