"""What a container of a finished job holds: files and indicators. Names are looked up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

__all__ = ["Found", "files_of", "indicators_of", "settled"]

OUTPUTS = "outputData"
HOLDERS = ("PERFORMANCEINDICATOR", "PERFORMANCE")
HEAD = 64 * 1024  # bytes in which a file shows that it is mmCIF

_SIMPLE = (bool, int, float, str)


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A file that a container names.

    Attributes:
        path: Where it is.
        param_name: Which parameter it is: what follows `outputData.` in its object path.
        file_type: Its type.
        content_flag: Its content flag.
        sub_type: Its sub type.
        annotation: What is said about it.
    """

    path: Path
    param_name: str
    file_type: str
    content_flag: int | None
    sub_type: int | None
    annotation: str


def files_of(container: Any) -> Iterator[Found]:
    """Yield the output files that a container names, whether they exist or not."""
    find = getattr(container, "find_all_files", None)
    for each in find() if callable(find) else ():
        found = _found(each)
        if found is not None:
            yield found


def _found(file: Any) -> Found | None:
    is_set = getattr(file, "isSet", getattr(file, "is_set", None))
    if callable(is_set) and not is_set():
        return None
    place = _first(file, "getFullPath", "fullPath", "full_path", "path")
    name = str(_first(file, "objectPath", "object_path") or "")
    if not place or OUTPUTS not in name.split("."):
        return None
    path = Path(str(place))
    kind = _first(file, "file_type", "fileType", "mimeTypeName") or path.suffix.lstrip(".")
    return Found(
        path=path,
        param_name=name.split(f"{OUTPUTS}.", 1)[-1],
        file_type=str(kind),
        content_flag=_number(_first(file, "contentFlag", "content_flag")),
        sub_type=_number(_first(file, "subType", "sub_type")),
        annotation=str(_first(file, "annotation") or ""),
    )


def settled(path: Path) -> Path:
    """Return the path of a file, renamed if it is mmCIF that was called `.pdb`; blocks.

    Raises:
        OSError: If it cannot be read or renamed.
    """
    if path.suffix != ".pdb" or not _is_mmcif(path):
        return path
    return path.rename(path.with_suffix(".cif"))


def _is_mmcif(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(HEAD)
    lines = [line.strip() for line in head.splitlines() if line.strip()]
    first = next((line for line in lines if not line.startswith(b"#")), b"")
    return first.startswith(b"data_") and b"_atom_site." in head


def indicators_of(container: Any) -> dict[str, Any]:
    """Return the performance indicators of a container, by name; unset ones are left out."""
    holder = next((found for name in HOLDERS if (found := _holder(container, name))), None)
    if holder is None:
        return {}
    values = {name: _plain(getattr(holder, name, None)) for name in _names(holder)}
    return {name: value for name, value in values.items() if value not in {None, ""}}


def _holder(container: Any, name: str) -> Any:
    outputs = getattr(container, OUTPUTS, None)
    return getattr(container, name, None) or getattr(outputs, name, None)


def _names(holder: Any) -> Iterable[str]:
    for order in ("dataOrder", "data_order"):
        names = getattr(holder, order, None)
        if callable(names):
            return [str(name) for name in names()]
    return [name for name in vars(holder) if not name.startswith("_")]


def _plain(value: Any) -> Any:
    """Return a value itself, or what an object that wraps one holds."""
    if isinstance(value, _SIMPLE):
        return value
    is_set = getattr(value, "isSet", None)
    if callable(is_set) and not is_set():
        return None
    inner = getattr(value, "value", None)
    inner = inner() if callable(inner) else inner
    return inner if isinstance(inner, _SIMPLE) else None


def _first(holder: Any, *names: str) -> Any:
    for name in names:
        value = getattr(holder, name, None)
        value = value() if callable(value) else value
        if value is not None:
            return _plain(value) if not isinstance(value, Path) else value
    return None


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) else None
