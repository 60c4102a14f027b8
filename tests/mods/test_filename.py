"""Names that strangers give: whatever they are, what is made of them is safe anywhere."""

import unicodedata
from itertools import islice

import pytest
from hypothesis import example, given, strategies

from pegboard_mods._filename import MAX_BYTES, candidates, safe_name

HOSTILE = strategies.text(
    strategies.one_of(
        strategies.characters(exclude_categories=()),
        strategies.sampled_from("./\\. \u202e\0:*?con1"),
    ),
    max_size=300,
)


@pytest.mark.parametrize(
    "name",
    [
        "a.txt",
        "Über uns.pdf",
        "日本語.txt",
        "no suffix",
        "a.tar.gz",
        "console.log",
        "a (2).txt",
        "x..y",
    ],
)
def test_a_safe_name_stays_as_it_is(name: str) -> None:
    assert safe_name(name) == name


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/passwd", "passwd"),
        ("..\\..\\windows\\win.ini", "win.ini"),
        ("/absolute", "absolute"),
        ("C:\\Users\\ada\\a.txt", "a.txt"),
        ("C:a.txt", "C_a.txt"),
        ("a.txt:stream", "a.txt_stream"),
        (".htaccess", "htaccess"),
        ("... .bashrc", "bashrc"),
        ("a.txt. . .", "a.txt"),
        ("a\0.txt", "a.txt"),
        ("a\r\nb.txt", "ab.txt"),
        ("photo\u202egpj.exe", "photogpj.exe"),
        ("zero\u200bwidth", "zerowidth"),
        ("con", "_con"),
        ("CON.txt", "_CON.txt"),
        ("aux .tar.gz", "_aux .tar.gz"),
        ("com¹.log", "_com¹.log"),
        ("<script>.html", "_script_.html"),
        ("e\u0301.txt", "é.txt"),
    ],
)
def test_a_hostile_name_is_made_safe(name: str, safe: str) -> None:
    assert safe_name(name) == safe


@pytest.mark.parametrize("name", ["", ".", "..", "...", "/", "a/", "a\\..", " ", "\0", "\ud800"])
def test_of_some_names_nothing_is_left(name: str) -> None:
    assert safe_name(name) is None


def test_a_long_name_keeps_what_says_its_type() -> None:
    name = safe_name("ä" * 500 + ".tar.gz")
    assert name is not None
    assert name.endswith("ä.gz")
    assert len(name.encode()) <= MAX_BYTES


def test_a_number_fits_into_a_long_name() -> None:
    long = safe_name("ä" * 500 + ".jpeg")
    assert long is not None
    for each in islice(candidates(long), 12):
        assert safe_name(each) == each
        assert each.endswith(".jpeg")


def test_candidates_are_numbered() -> None:
    assert list(islice(candidates("a.b.txt"), 3)) == ["a.b.txt", "a.b (2).txt", "a.b (3).txt"]
    assert list(islice(candidates("README"), 2)) == ["README", "README (2)"]


@given(HOSTILE)
@example(".\u3000a")
@example("con" + " " * 300 + "x.txt")
@example("con." + "a" * 300)
@example("\u0301" * 300)
@example("a" + " " * 300 + "b.c")
def test_what_is_made_of_any_name_is_safe_and_stays_so(name: str) -> None:
    safe = safe_name(name)
    if safe is None:
        return
    assert safe_name(safe) == safe
    assert unicodedata.is_normalized("NFC", safe)
    assert 0 < len(safe.encode()) <= MAX_BYTES
    assert not set(safe) & set('/\\<>:"|?*\0')
    assert safe[0] not in ". "
    assert safe[-1] not in ". "
    for each in islice(candidates(safe), 3):
        assert safe_name(each) == each
