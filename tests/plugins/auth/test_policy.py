"""Names and passwords."""

import pytest

from pegboard.errors import InputError
from pegboard_auth._policy import check_level, check_name, check_password, name_key


@pytest.mark.parametrize(
    "name", ["ada", "Ada Lovelace", "ada@example.org", "Zoë", "李明", "Ada  L"]
)
def test_names_of_people_are_taken(name):
    assert check_name(name)


@pytest.mark.parametrize(
    "name", ["", " ", "a" * 65, "a\nb", "a\r\nSet-Cookie: x", "a\x00", "a\u202eb", "a\u200bb"]
)
def test_names_that_would_lie_or_break_something_are_refused(name):
    with pytest.raises(InputError):
        check_name(name)


def test_names_that_look_alike_are_the_same():
    assert name_key("ADA") == name_key("ada") == name_key("\uff41\uff44\uff41")
    assert name_key("Zoë") == name_key("Zoe\u0308")
    assert name_key("straße") == name_key("STRASSE")


@pytest.mark.parametrize(
    "password",
    [
        "short",
        "password123",
        "PASSWORD123",
        "aaaaaaaaaaaa",
        "abababababab",
        "my-ada-lovelace-1",
        "x" * 2000,
    ],
)
def test_weak_passwords_are_refused(password):
    with pytest.raises(InputError):
        check_password(password, name="Ada-Lovelace", least=10)


def test_a_password_is_the_same_on_every_keyboard():
    composed, split = "caf\u00e9 au lait", "cafe\u0301 au lait"
    assert check_password(composed, name="ada", least=10) == check_password(
        split, name="ada", least=10
    )


def test_an_account_has_a_known_level():
    assert [check_level(level) for level in (1, 5, 10)] == [1, 5, 10]
    for level in (-1, 0, 2, 11):
        with pytest.raises(InputError, match="moderator"):
            check_level(level)
