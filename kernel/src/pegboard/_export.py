"""The `@export` decorator and the record it makes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import msgspec

from pegboard._context import holding
from pegboard.errors import ConfigError

if TYPE_CHECKING:
    from pegboard._binding import Binding
    from pegboard._registry import Generation

__all__ = ["Declaration", "Export", "ExportOptions", "Exporter", "collected"]

F = TypeVar("F", bound=Callable[..., Any])

AUTO = ("GET", "POST")
"""What `api_methods=["AUTO"]` means: arguments come in the query or in a body."""

DECLARATIONS = "__pegboard_exports__"
"""Attribute of a decorated function: the declarations made of it, oldest first."""

_RENAMED = {"on_start": "on_startup", "on_exit": "on_close"}


class ExportOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The `@export` keywords that the kernel understands; a plugin may add others.

    Attributes:
        name: Name of the export, that of the function by default.
        mod_name: Name of the mod, the last segment of the module's name by default.
        helper: Help text, the first line of the docstring by default.
        version: Version of the export.
        test: Whether the self-test runs it.
        samples: Keyword arguments that the self-test calls it with, one call for each dict.
        restrict_in_virtual_mode: Kept for whoever reads it.
        api: Whether it can be reached from outside.
        initial: Whether it runs when the mod is loaded.
        exit_f: Whether it runs when the mod is unloaded.
        handover: Whether it is given the mod's state when new code takes over in a running app,
            to turn it into what that code expects: a plain function of one argument, which runs
            in the moment of the change and so has to be quick. It cannot be called otherwise.
        test_only: Whether it exists only in an app that is under test.
        request_as_kwarg: Whether it receives the request as `request`.
        row: Whether callers in process get the bare value in place of a `Result`.
        state: Whether the first parameter `self` or `state` receives the mod's state; None
            means yes.
        level: Session level that a caller from outside needs: 0 anyone, 1 signed in, 5 moderator,
            10 administrator; -1 lets in nobody, whom only callers in process get past. None
            leaves it to the settings `[access]`.
        interface: Third element of the origin.
        pre_compute: Called with `(func, *args, **kwargs)`, or without `func`; answers the
            arguments as `(args, kwargs)`.
        post_compute: Called with `(result, func, *args, **kwargs)`, or with `(result)` alone;
            answers the result.
        api_methods: HTTP methods; `AUTO` means GET and POST.
        blocking: Whether a plain function may block and so runs in a worker thread.
    """

    name: str | None = None
    mod_name: str = ""
    helper: str = ""
    version: str | None = None
    test: bool = True
    samples: Sequence[dict[str, Any]] | None = None
    restrict_in_virtual_mode: bool = False
    api: bool = False
    initial: bool = False
    exit_f: bool = False
    handover: bool = False
    test_only: bool = False
    request_as_kwarg: bool = False
    row: bool = False
    state: bool | None = None
    level: int | None = None
    interface: str | None = None
    pre_compute: Callable[..., Any] | None = None
    post_compute: Callable[..., Any] | None = None
    api_methods: Sequence[Literal["AUTO", "GET", "POST", "PUT", "PATCH", "DELETE"]] = ("AUTO",)
    blocking: bool = True


class Declaration(msgspec.Struct, frozen=True, eq=False):
    """A function with the keywords it was exported with, before any app has taken it.

    Attributes:
        function: The function, unchanged.
        options: The kernel's keywords.
        plugin_options: Keywords for plugins, by name.
    """

    function: Callable[..., Any]
    options: ExportOptions
    plugin_options: dict[str, Any]

    @property
    def mod(self) -> str:
        """Name of the mod."""
        return self.options.mod_name or self.function.__module__.rpartition(".")[2]

    @property
    def name(self) -> str:
        """Name of the export in its mod."""
        own = getattr(self.function, "__name__", type(self.function).__name__)
        name = self.options.name or own
        return _RENAMED.get(name, name)


class Export:
    """One registered function, as one generation has it.

    Attributes:
        declaration: What the author wrote.
        mod: Name of the mod.
        name: Name in the mod.
        address: `Mod.name`.
        origin: Origin of the results: `(mod, name, interface)`.
        options: The kernel's keywords.
        binding: How arguments from outside become those of the function.
        required_level: Session level that a caller from outside needs; below 0 there is none.
        public: Whether anyone may call it from outside.
        internal: Whether nobody may.
        methods: HTTP methods that it answers, without HEAD and OPTIONS.
        generation: The generation that it belongs to.
        attachments: What plugins worked out for it, by plugin name.
        answer_type: Type of what callers are answered with, set by a plugin whose layer answers in
            place of the function; None where the function says it.
    """

    def __init__(
        self,
        declaration: Declaration,
        binding: Binding,
        generation: Generation,
        *,
        required_level: int,
        plugin_options: dict[type[msgspec.Struct], msgspec.Struct],
    ) -> None:
        self.declaration = declaration
        self.options = declaration.options
        self.mod = declaration.mod
        self.name = declaration.name
        self.address = f"{self.mod}.{self.name}"
        self.origin = (self.mod, self.name, self.options.interface or "tb")
        self.binding = binding
        self.generation = generation
        self.required_level = required_level
        self.public = required_level == 0
        self.internal = required_level < 0
        self.methods = _methods(self.options.api_methods)
        self.plugin_options = plugin_options
        self.attachments: dict[str, Any] = {}
        self.answer_type: Any = None

    @property
    def function(self) -> Callable[..., Any]:
        """The function as its author wrote it."""
        return self.declaration.function

    @property
    def summary(self) -> str:
        """The help text, or the first line of the docstring."""
        doc = self.function.__doc__ or ""
        return self.options.helper or doc.strip().partition("\n")[0]

    def option(self, kind: type[S]) -> S:
        """Return the keywords that the plugin with the options Struct `kind` understands."""
        found = self.plugin_options.get(kind)
        return found if isinstance(found, kind) else kind()

    def __repr__(self) -> str:
        return f"<Export {self.address}>"


S = TypeVar("S", bound=msgspec.Struct)

_collecting: ContextVar[list[Declaration]] = ContextVar("pegboard_collecting")


def collected() -> AbstractContextManager[list[Declaration]]:
    """Collect the declarations made in the block: a load, so that nothing reaches a global."""
    return holding(_collecting, [])


class Exporter:
    """Makes the `@export` decorator of one app.

    Args:
        register: Takes a declaration that is made outside a load.
    """

    def __init__(self, register: Callable[[Declaration], None]) -> None:
        self._register = register

    def __call__(self, name: object = None, /, **keywords: Any) -> Callable[[F], F]:
        """Return a decorator that registers a function and gives it back unchanged.

        Args:
            name: Name of the export; the same as the keyword `name`.
            keywords: The fields of `ExportOptions`, and those that plugins declare.

        Raises:
            ConfigError: If a keyword has a wrong type.
        """
        if callable(name):
            raise ConfigError("write @export() with parentheses")
        if name is not None:
            keywords["name"] = name
        options, plugin_options = _split(keywords)

        def decorate(function: F) -> F:
            declaration = Declaration(function, options, plugin_options)
            attributes = getattr(function, "__dict__", None)
            if not isinstance(attributes, dict):
                raise ConfigError(f"@export takes a function, not {function!r}")
            attributes.setdefault(DECLARATIONS, []).append(declaration)
            collecting = _collecting.get(None)
            if collecting is None:
                self._register(declaration)
            else:
                collecting.append(declaration)
            return function

        return decorate


def declarations_of(values: Sequence[Any]) -> list[Declaration]:
    """Return what was declared on these values, for a module that was imported before."""
    found: list[Declaration] = []
    for value in values:
        found.extend(getattr(value, "__dict__", {}).get(DECLARATIONS, ()))
    return list(dict.fromkeys(found))


def _split(keywords: dict[str, Any]) -> tuple[ExportOptions, dict[str, Any]]:
    fields = ExportOptions.__struct_fields__
    own = {
        name: value
        for name, value in keywords.items()
        if name in fields and not (value is None and name != "state")
    }
    callables = {name: own.pop(name) for name in ("pre_compute", "post_compute") if name in own}
    for name, value in callables.items():
        if not callable(value):
            raise ConfigError(f"@export: {name} has to be callable, not {type(value).__name__}")
    try:
        options = msgspec.convert(own, ExportOptions)
    except msgspec.ValidationError as error:
        text, _, key = str(error).partition(" - at `$.")
        raise ConfigError(
            f"@export({key.rstrip('`')}=...): {text}" if key else f"@export: {text}"
        ) from error
    rest = {name: value for name, value in keywords.items() if name not in fields}
    return msgspec.structs.replace(options, **callables), rest


def _methods(declared: Sequence[str]) -> tuple[str, ...]:
    methods = [
        method for name in declared or AUTO for method in (AUTO if name == "AUTO" else (name,))
    ]
    return tuple(dict.fromkeys(methods))
