"""Which names and passwords are taken. No I/O. Source: NIST SP 800-63B, 5.1.1.2."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from itertools import count

from pegboard.errors import InputError

__all__ = [
    "LEVELS",
    "check_level",
    "check_mail",
    "check_name",
    "check_password",
    "free_name",
    "name_key",
    "normalized",
]

LEVELS = {1: "user", 5: "moderator", 10: "administrator"}
"""Levels that an account may have, with what people call them."""

NAME_MAX = 64  # characters
PASSWORD_MAX = 1024  # bytes: a longer one would only cost time
DISTINCT = 4  # characters of a password that differ

_TRIED_FIRST = """
    123456 1234567 12345678 123456789 1234567890 0123456789 9876543210 0987654321 password
    password1 password12 password123 password1234 passw0rd passw0rd123 p@ssw0rd p@ssword123 qwerty
    qwerty123 qwerty1234 qwertyuiop 1q2w3e4r 1q2w3e4r5t 1qaz2wsx 1qaz2wsx3edc zaq12wsx asdfghjkl
    iloveyou iloveyou1 letmein letmein123 welcome welcome1 welcome123 admin admin123 admin1234
    administrator changeme changeme123 secret secret123 default football baseball sunshine princess
    monkey dragon abc123 abcd1234 abcdefghij abcdefghijkl trustno1 superman pegboard pegboard123
"""

COMMON = frozenset(_TRIED_FIRST.split())
"""What everybody tries first."""

_SPACES = re.compile(r"\s+")
_REFUSED = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U000e0100-\U000e01ef]"
)
"""What is drawn as nothing and is not in those: Default_Ignorable_Code_Point, and blank Braille."""
_MAIL = re.compile(r"[^\s@<>()\[\],;:\\\"]{1,64}@[^\s@<>()\[\],;:\\\"]{1,190}")


def check_name(name: str) -> str:
    """Return a name as it is shown.

    Raises:
        InputError: If it is empty, too long, has characters that nobody can see, or has neither
            letters nor digits. Letters of other alphabets that look alike are not compared.
    """
    shown = _SPACES.sub(" ", unicodedata.normalize("NFC", name)).strip()
    if not shown or len(shown) > NAME_MAX:
        msg = f"a name has from 1 to {NAME_MAX} characters"
        raise InputError(msg)
    if not any(each.isalnum() for each in shown):
        msg = "a name has at least one letter or digit"
        raise InputError(msg)
    if _INVISIBLE.search(name) or any(unicodedata.category(each) in _REFUSED for each in name):
        msg = "a name has no control characters, line breaks or invisible characters"
        raise InputError(msg)
    return shown


def free_name(wanted: str, is_taken: Callable[[str], bool]) -> str:
    """Return a name that nobody has, as near as can be to one that comes from elsewhere."""
    visible = "".join(each for each in wanted if unicodedata.category(each) not in _REFUSED)
    try:
        base = check_name(_INVISIBLE.sub("", visible)[: NAME_MAX - 8])
    except InputError:
        base = "user"
    names = (base if number == 1 else f"{base} {number}" for number in count(1))
    return next(name for name in names if not is_taken(name))


def check_mail(mail: str) -> str:
    """Return a mail address; whether anybody reads it is for a link to show.

    Raises:
        InputError: If it is none.
    """
    address = unicodedata.normalize("NFC", mail).strip()
    hidden = any(unicodedata.category(each) in _REFUSED for each in address)
    if hidden or not _MAIL.fullmatch(address):
        msg = "this is no mail address: write it like ada@example.org"
        raise InputError(msg)
    return address


def name_key(name: str) -> str:
    """Return what two names have in common that people would take for the same."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return _SPACES.sub(" ", unicodedata.normalize("NFKC", folded)).strip()


def check_password(password: str, *, name: str, least: int) -> str:
    """Return a password as it is hashed: normalized, so that every keyboard writes the same.

    Raises:
        InputError: If it is too short or too long, is known to everyone or tells the name.
    """
    normal = normalized(password)
    if len(normal) < least:
        msg = f"a password has at least {least} characters"
        raise InputError(msg)
    if len(normal.encode("utf-8", "replace")) > PASSWORD_MAX:
        msg = f"a password has at most {PASSWORD_MAX} bytes"
        raise InputError(msg)
    lowered = normal.casefold()
    if lowered in COMMON or len(set(lowered)) < DISTINCT:
        msg = "this password is among the first that anybody would try"
        raise InputError(msg)
    if len(name_key(name)) > 3 and name_key(name) in lowered:
        msg = "a password does not contain the name"
        raise InputError(msg)
    return normal


def normalized(password: str) -> str:
    """Return a password as it is hashed; what is beyond any limit is not looked at."""
    return unicodedata.normalize("NFKC", password[: 2 * PASSWORD_MAX])


def check_level(level: int) -> int:
    """Return a level that accounts may have.

    Raises:
        InputError: If it is another one.
    """
    if level not in LEVELS:
        known = ", ".join(f"{number} ({name})" for number, name in LEVELS.items())
        msg = f"an account has one of the levels {known}"
        raise InputError(msg)
    return level
