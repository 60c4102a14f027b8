"""Names of files: any text, told apart on any file system."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pegboard_durable import decode_name, encode_name

HOSTILE = [
    "", ".", "..", "...", " ", "a ", "a.", "a..", ".a", "/", "\\", "a/b", "../../etc/passwd",
    "/etc/passwd", "C:\\x", "c:x", "a:stream", "con", "CON", "Con.txt", "nul", "com1", "COM1.log",
    "lpt9", "aux.json", "con.", "conin$", "a\0b", "a\nb", "a\x1fb", "%2e%2e", "%", "%%", "=", "=a",
    "+", "a+", "a+/+b", "~", "a~1", "-rf", "*", "?", '"', "<", ">", "|", "é", "e\u0301", "ﬁ", "ß",
    "ẞ", "ss", "İ", "i", "I", "\u0131", "K", "k", "\u212a", "\u202etxt.exe", "a\u200bb", "ab", "AB",
    "aB", "Ab", "\ud800", "\udcff", "😀", "x" * 119, "x" * 120, "x" * 121, "x" * 300, "X" * 300,
    "é" * 300, "." * 300, "x" * 1024, ".pegboard-0000000000000000.tmp",
]  # fmt: skip
texts = st.text(st.characters(exclude_categories=[]), max_size=300)


def seen_by_any_file_system(path: str) -> str:
    return unicodedata.normalize("NFC", path).casefold()


def test_no_two_hostile_names_meet() -> None:
    assert len({seen_by_any_file_system(encode_name(text)) for text in HOSTILE}) == len(HOSTILE)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_name_is_a_harmless_path_and_comes_back(text: str) -> None:
    path = encode_name(text)
    for part in path.split("/"):
        assert re.fullmatch(r"[a-z0-9_=%+-][a-z0-9._=%+-]*(?<!\.)", part)
        assert len(part) <= 120
        assert not re.fullmatch(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", part)
    assert decode_name(path) == text


@given(texts)
def test_every_text_comes_back(text: str) -> None:
    assert decode_name(encode_name(text)) == text


@given(texts, texts)
def test_no_two_texts_meet(one: str, other: str) -> None:
    paths = [seen_by_any_file_system(encode_name(text)) for text in (one, other)]
    assert (paths[0] == paths[1]) == (one == other)


@given(texts, texts)
def test_no_file_stands_where_another_name_needs_a_folder(one: str, other: str) -> None:
    assert not encode_name(other).startswith(f"{encode_name(one)}/")


@pytest.mark.parametrize(
    "path", ["", "A", "%61", "a/b", "+", "a+", "%c3", "%C3%A9", "con", "..", ".a", "a b", "%zz"]
)
def test_what_no_name_encodes_to_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="not the encoding"):
        decode_name(path)


def test_a_name_that_is_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="1024 characters; this one has 1025"):
        encode_name("x" * 1025)
