"""Names that have escaped from a folder, or have met another name, on some system."""

from __future__ import annotations

__all__ = ["HOSTILE_NAMES"]

_WINDOWS = (
    "con",
    "prn",
    "aux",
    "nul",
    *(f"{port}{n}" for port in ("com", "lpt") for n in range(10)),
)
_TRAVERSAL = (
    *("../" * depth + "etc/passwd" for depth in range(1, 9)),
    *("..\\" * depth + "windows\\win.ini" for depth in range(1, 5)),
    *("..", ".", "...", "....", "/", "//", "\\", "/etc/passwd", "//host/share", "\\\\host\\share"),
    *(
        "C:",
        "C:\\x",
        "c:/x",
        "file:///x",
        "~",
        "~root",
        "$HOME",
        "%TEMP%",
        "a/../b",
        "a/./b",
        "a//b",
    ),
    *(
        "a/b",
        "a\\b",
        "a/",
        "/a",
        "./a",
        "../a",
        "a/..",
        "%2e%2e%2fa",
        "%2e%2e/a",
        "..%2fa",
        "..%5ca",
    ),
    *(
        "%252e%252e%252fa",
        "..%c0%afa",
        "..\u2215a",
        "..\u2044a",
        "\uff0e\uff0e\uff0fa",
        "..;/a",
        ". ./a",
    ),
)
_TWINS = (
    *(
        "a",
        "A",
        "readme",
        "README",
        "ReadMe",
        "stra\u00dfe",
        "STRASSE",
        "strasse",
        "\u0130",
        "i\u0307",
    ),
    *(
        "I",
        "i",
        "\u0131",
        "caf\u00e9",
        "cafe\u0301",
        "\u212b",
        "\u00c5",
        "A\u030a",
        "\ufb01",
        "fi",
        "\u2460",
    ),
    *(
        "1",
        "\u00b2",
        "2",
        "\uff41",
        "\u1e9b\u0323",
        "\u017f",
        "s",
        "S",
        "K",
        "\u212a",
        "k",
        "\u03c3",
        "\u03c2",
    ),
    *("\u03a3", "\u01c6", "\u01c5", "\u01c4", "\uac00", "\u1100\u1161", "\u0958", "\u0915\u093c"),
)
_INVISIBLE = (
    *(
        f"a{chr(code)}b"
        for code in (0x200B, 0x200C, 0x200D, 0x200E, 0x200F, 0x202A, 0x202B, 0x202C)
    ),
    *(
        f"a{chr(code)}b"
        for code in (0x202D, 0x202E, 0x2060, 0x2066, 0x2069, 0xFEFF, 0xAD, 0x34F, 0x85)
    ),
    *(f"a{chr(code)}" for code in (*range(32), 0x7F, 0xA0, 0x2028, 0x2029, 0xFFFD, 0xFFFE, 0xFFFF)),
)
_SPACES = (
    "a ",
    " a",
    " ",
    "  ",
    "a.",
    ".a",
    "a..",
    "..a",
    ".a.",
    "a. ",
    "\t",
    "\n",
    "a\r\n",
    "a\u3000",
)
_SYNTAX = (
    *("*", "?", "a*", "[a]", "{a}", "<a>", '"a"', "'a'", "`a`", "a|b", "a;b", "a&b", "$(a)", "a:b"),
    *(
        "a#b",
        "a%b",
        "a+b",
        "a=b",
        "a!b",
        "!a",
        "=a",
        "=",
        "==",
        "=2d",
        "-",
        "--",
        "_",
        "a=2d",
        "==me",
        "=/-",
    ),
    *(
        "a@b",
        "a,b",
        "a~",
        "a^b",
        "-rf",
        "--help",
        "a::$DATA",
        ".git",
        ".ssh/authorized_keys",
        "a.lock",
    ),
    *(
        "a.tmp",
        "a.previous",
        ".tmp",
        ".lock",
        "_main.json",
        "desktop.ini",
        "thumbs.db",
        ".DS_Store",
    ),
)
_LONG = (
    "a" * 200,
    "a" * 201,
    "a" * 255,
    "A" * 255,
    "\u00fc" * 127,
    "\U0001f600" * 63,
    "." * 255,
    "/" * 255,
)

HOSTILE_NAMES: tuple[str, ...] = (
    *_TRAVERSAL,
    *_TWINS,
    *_INVISIBLE,
    *_SPACES,
    *_SYNTAX,
    *_LONG,
    *_WINDOWS,
    *(f"{name}.data" for name in _WINDOWS),
    *(name.upper() for name in _WINDOWS),
)
"""Each is a file of its own on every store."""
