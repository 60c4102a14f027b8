"""From the name that a stranger gave to a name that is safe in any folder on any system. Pure.

Sources: the file names that Windows reserves (Microsoft, "Naming Files, Paths, and Namespaces"),
and the normal forms of Unicode (Standard Annex 15).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import count

__all__ = ["candidates", "safe_name"]

MAX_BYTES = 200  # of a name in UTF-8; most systems take 255
MAX_SUFFIX_BYTES = 40

_RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])", re.IGNORECASE)
_EDGES = re.compile(r"^[\s.]+|[\s.]+$")
_FORBIDDEN = re.compile(r'[<>:"|?*]')


def safe_name(name: str) -> str | None:
    r"""Return the name under which a file may be stored, None if nothing of it is left.

    What is kept is the last part of a path of either style, in one normal form (NFC), without
    control and format characters (which can make `gpj.exe` read as `exe.jpg`), not hidden, not a
    device of Windows, and short enough. A name that is safe already comes back as it is.
    """
    last = re.split(r"[\\/]", name)[-1]
    visible = "".join(each for each in last if _is_visible(each))
    plain = _FORBIDDEN.sub("_", unicodedata.normalize("NFC", visible))
    short = _shortened(_EDGES.sub("", plain))
    is_device = _RESERVED.fullmatch(short.partition(".")[0].rstrip())
    return _shortened(f"_{short}") if is_device else short or None


def candidates(name: str) -> Iterator[str]:
    """Yield a safe name, then others like it: `a.txt`, `a (2).txt`, `a (3).txt`, ..."""
    yield name
    for number in count(2):
        yield _shortened(name, addition=f" ({number})")


def _is_visible(character: str) -> bool:
    return not unicodedata.category(character).startswith("C")


def _shortened(name: str, addition: str = "") -> str:
    """Cut the stem of a long name, and keep what says its type."""
    stem, dot, suffix = name.rpartition(".")
    if not stem or len(suffix.encode()) > MAX_SUFFIX_BYTES:
        stem, dot, suffix = name, "", ""
    room = MAX_BYTES - len(f"{addition}{dot}{suffix}".encode())
    if len(stem.encode()) > room:
        stem = _EDGES.sub("", stem.encode()[:room].decode(errors="ignore"))
    return f"{stem}{addition}{dot}{suffix}"
