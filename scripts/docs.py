"""Write the generated parts of the documentation anew.

A part of a page stands between `<!-- generated: WHAT -->` and `<!-- end -->`, where WHAT names a
function of this module and what it is given. A test holds each part against the code.
"""

import ast
import inspect
import re
import sys
import types
import typing
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import msgspec

from scripts.environment import ROOT

PAGES = sorted(
    [
        *ROOT.glob("docs/**/*.md"),
        ROOT / "README.md",
        *ROOT.glob("*/README.md"),
        *ROOT.glob("plugins/*/README.md"),
    ]
)
"""All pages that have snippets and generated parts."""

WIDTH = 100
SAMPLE_PLUGIN = "slow-calls"
MIB = 1024 * 1024

_PART = re.compile(r"^<!-- generated: ([^\n]+) -->\n.*?^<!-- end -->$", re.MULTILINE | re.DOTALL)
_ATTRIBUTE = re.compile(r"^    (\w+): (.*(?:\n {8,}\S.*)*)", re.MULTILINE)
_BOUNDS = {"ge": "from {}", "gt": "above {}", "le": "to {}", "lt": "below {}"}
_NAMES: dict[Any, str] = {str: "text", int: "integer", float: "number", bool: "boolean"}


def main() -> None:
    """Write all parts of all pages."""
    for page in PAGES:
        before = page.read_text(encoding="utf-8")
        after = generated(before)
        if after != before:
            page.write_text(after, encoding="utf-8")
            print(f"docs: wrote {page.relative_to(ROOT)}")
    print(f"docs: {len(PAGES)} pages are current")


def generated(text: str) -> str:
    """Return the text of a page with its generated parts as they have to be.

    Raises:
        KeyError: When a part names nothing that can be generated.
    """
    return _PART.sub(_part, text)


def parts(text: str) -> list[str]:
    """Return what the generated parts of a page are."""
    return _PART.findall(text)


def _part(found: re.Match[str]) -> str:
    name, _, argument = found[1].partition(" ")
    lines = GENERATORS[name](argument)
    return "\n".join([f"<!-- generated: {found[1]} -->", "", *lines, "", "<!-- end -->"])


# -- settings ----------------------------------------------------------------------------------


def settings(target: str) -> list[str]:
    """Return the table of a Struct of settings, `module:name`."""
    return fields("setting", target)


def keywords(target: str) -> list[str]:
    """Return the table of a Struct of `@export` keywords, `module:name`."""
    return fields("keyword", target)


def fields(head: str, target: str) -> list[str]:
    """Return the table of a Struct: its fields with type, default and meaning."""
    module, _, name = target.partition(":")
    struct = getattr(import_module(module), name)
    meanings = attributes(struct)
    types_by_name = typing.get_type_hints(struct, include_extras=True)
    rows = [
        (f"`{each.name}`", kind(types_by_name[each.name]), default(each), meanings[each.name])
        for each in msgspec.structs.fields(struct)
    ]
    return table((head, "type", "default", "meaning"), rows)


def attributes(struct: type) -> dict[str, str]:
    """Return the lines of help in the docstring of a Struct, by field."""
    text = inspect.cleandoc(struct.__doc__ or "").partition("Attributes:\n")[2]
    return {name: " ".join(meaning.split()) for name, meaning in _ATTRIBUTE.findall(text)}


def kind(hint: Any) -> str:
    """Say in words what a setting may be."""
    if typing.get_origin(hint) is typing.Annotated:
        inner, *metas = typing.get_args(hint)
        bounds = [
            words.format(plain(getattr(meta, key)))
            for meta in metas
            for key, words in _BOUNDS.items()
            if getattr(meta, key, None) is not None
        ]
        return ", ".join([kind(inner), " ".join(bounds)]) if bounds else kind(inner)
    if typing.get_origin(hint) is typing.Literal:
        return ", ".join(f"`{each}`" for each in typing.get_args(hint))
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return " or ".join(kind(each) for each in typing.get_args(hint) if each is not type(None))
    if _item(hint) is not None:
        return f"list of {kind(_item(hint))}"
    return _NAMES.get(hint, "function" if _is_function(hint) else "dict")


def default(field: Any) -> str:
    """Show the default of a field as the manifest would have it."""
    if field.required:
        return "required"
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    if value is None:
        return "none"
    if isinstance(value, int) and not isinstance(value, bool) and value and value % MIB == 0:
        return f"`{value}` ({value // MIB} MiB)"
    if isinstance(value, tuple | list):
        return ", ".join(f"`{each}`" for each in value) or "empty"
    return f"`{plain(value)}`" if value != "" else "empty"


def plain(value: Any) -> str:
    """Show a value as TOML has it, but for quotes."""
    return str(value).lower() if isinstance(value, bool) else f"{value}"


def _item(hint: Any) -> Any:
    """Return the type of the items of a list, None for what is no list."""
    named = {"Sequence", "tuple", "list"}
    found = getattr(typing.get_origin(hint), "__name__", "") in named
    return typing.get_args(hint)[0] if found else None


def _is_function(hint: Any) -> bool:
    return getattr(typing.get_origin(hint), "__name__", "") == "Callable"


# -- hooks and errors --------------------------------------------------------------------------


def hooks(_argument: str) -> list[str]:
    """Return all hooks with their exact signatures and docstrings."""
    lines: list[str] = []
    for node in _hook_nodes():
        text = (ast.get_docstring(node) or "").splitlines()
        lines += [f"## {node.name}", "", "```text", signature(node), "```", "", *text, ""]
    return lines[:-1]


def signature(node: ast.FunctionDef) -> str:
    """Return the signature of a hook as its implementations see it: with a self of their own."""
    answer = ast.unparse(node.returns) if node.returns else "None"
    whole = f"{node.name}({ast.unparse(node.args)}) -> {answer}"
    return whole.replace("(self, ", "(").replace("(self)", "()")


def implements(module: str) -> list[str]:
    """Return the hooks that a plugin implements, with what it does in each."""
    plugin = import_module(module).plugin
    known = [node.name for node in _hook_nodes()]
    found = [(name, getattr(plugin, name)) for name in known if hasattr(plugin, name)]
    rows = [(f"`{name}`", (each.__doc__ or "").partition("\n")[0]) for name, each in found]
    return table(("hook", "what it does there"), rows)


def errors(_argument: str) -> list[str]:
    """Return the table of all errors: code, status, class and what they mean."""
    module = import_module("pegboard.errors")
    classes = [getattr(module, name) for name in module.__all__]
    return table(
        ("code", "status", "class", "meaning"),
        [
            (
                f"`{each.code}`",
                str(each.status),
                f"`{each.__name__}`",
                (each.__doc__ or "").partition("\n")[0],
            )
            for each in sorted(classes, key=lambda each: (each.status, each.code))
        ],
    )


def _hook_nodes() -> list[ast.FunctionDef]:
    source = Path(sys.modules[import_module("pegboard.hookspecs").__name__].__file__ or "")
    for node in ast.parse(source.read_bytes()).body:
        if isinstance(node, ast.ClassDef) and node.name == "Hooks":
            return [each for each in node.body if isinstance(each, ast.FunctionDef)]
    return []


# -- new plugins -------------------------------------------------------------------------------


def template(argument: str) -> list[str]:
    """Return a file of a new plugin as `pegboard new plugin` makes it, or one table of a TOML file.

    Args:
        argument: Path in the template, and perhaps a word that is in the head of the table.
    """
    path, _, head = argument.partition(" ")
    scaffold = import_module("pegboard._cli.plugin_scaffold")
    names = scaffold.PluginNames.read(SAMPLE_PLUGIN)
    text = dict(scaffold.plugin_files(names))[path.replace("__package__", names.package)]
    parts = [part for part in text.strip().split("\n\n") if not head or head in part]
    language = {".py": "python generated", ".toml": "toml generated"}[Path(path).suffix]
    whole = text.strip() if not head else parts[0]
    return [f"```{language}", *whole.splitlines(), "```"]


# -- the command line --------------------------------------------------------------------------


def commands(_argument: str) -> list[str]:
    """Return the help of all commands."""
    root = import_module("pegboard._cli.root").root
    lines: list[str] = []
    for name, text in helps(root, "pegboard"):
        lines += [f"## {name}", "", "```text", *text.splitlines(), "```", ""]
    return lines[:-1]


def helps(
    command: click.Command, name: str, parent: click.Context | None = None
) -> Iterator[tuple[str, str]]:
    """Yield the name and the help of a command, then of those below it."""
    context = click.Context(
        command, info_name=name, parent=parent, terminal_width=WIDTH, **command.context_settings
    )
    yield context.command_path, context.get_help()
    if isinstance(command, click.Group):
        for each in command.list_commands(context):
            below = command.get_command(context, each)
            if below is not None:
                yield from helps(below, each, context)


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """Return a Markdown table."""
    heads = list(heads)
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return [f"| {' | '.join(row)} |" for row in (heads, ["---"] * len(heads), *cells)]


GENERATORS: dict[str, Callable[[str], list[str]]] = {
    "commands": commands,
    "errors": errors,
    "hooks": hooks,
    "implements": implements,
    "keywords": keywords,
    "settings": settings,
    "template": template,
}


if __name__ == "__main__":
    main()
