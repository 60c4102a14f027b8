"""Write the list of public names: `tests/meta/public_names.txt`.

Public is what a public module (no part of whose dotted name begins with an underscore) lists in its
`__all__`. The list is read from the sources, so that no module needs to be imported; a test
compares it, and a change of the public surface is a visible line in the diff.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

from scripts.environment import ROOT, members

TARGET = ROOT / "tests" / "meta" / "public_names.txt"


def main() -> None:
    """Write the list."""
    names = public_names()
    TARGET.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    print(f"names: {len(names)} public names in {TARGET.relative_to(ROOT)}")


def public_names() -> list[str]:
    """Return each public name as `module.name`, sorted.

    Raises:
        ValueError: when an `__all__` is not a plain list or tuple of strings.
    """
    return sorted(
        f"{module}.{name}" for module, path in public_modules() for name in exported(path)
    )


def public_modules() -> Iterator[tuple[str, Path]]:
    """Yield dotted name and file of every public module of the distributions."""
    for member in members():
        source = member / "src"
        for path in sorted(source.rglob("*.py")):
            parts = path.relative_to(source).with_suffix("").parts
            parts = parts[:-1] if parts[-1] == "__init__" else parts
            if not any(part.startswith("_") for part in parts):
                yield ".".join(parts), path


def exported(path: Path) -> list[str]:
    """Return the names in the `__all__` of the module at `path`; none where it has no `__all__`.

    Raises:
        ValueError: when `__all__` is not a plain list or tuple of strings.
    """
    for node in ast.parse(path.read_bytes()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    return []


if __name__ == "__main__":
    main()
