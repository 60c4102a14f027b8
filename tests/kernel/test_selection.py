"""Allowing and denying plugins by a command: one list changes, and nothing else of the manifest."""

import tomllib
from pathlib import Path

import pytest

from pegboard._cli.manifest_edit import with_list
from pegboard._cli.selection import select
from pegboard.errors import ConfigError, NotFoundError

PLACE = Path("pegboard.toml")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", '[plugins]\ndeny = ["a"]\n'),
        ("name = 1", 'name = 1\n[plugins]\ndeny = ["a"]\n'),
        ("# why\n[plugins]\n", '# why\n[plugins]\ndeny = ["a"]\n'),
        ("[plugins] # ours\nallow = []\n", '[plugins] # ours\ndeny = ["a"]\nallow = []\n'),
        ("[plugins]\ndeny = [\n  'b', # old\n]\n[mods]\n", '[plugins]\ndeny = ["a"]\n[mods]\n'),
        ("[app]\nx = 1\n", '[plugins]\ndeny = ["a"]\n\n[app]\nx = 1\n'),
    ],
)
def test_one_list_changes_and_comments_stay(before, after):
    assert with_list(before, "plugins", "deny", ["a"], place=PLACE) == after


@pytest.mark.parametrize("text", ["plugins = {deny = []}", "plugins.deny = []"])
def test_what_is_written_in_another_way_is_left_to_its_owner(text):
    with pytest.raises(ConfigError, match=r"by hand|not valid"):
        with_list(text, "plugins", "deny", ["a"], place=PLACE)


def test_names_are_quoted():
    text = with_list("", "plugins", "deny", ['a"\\b'], place=PLACE)
    assert tomllib.loads(text) == {"plugins": {"deny": ['a"\\b']}}


def test_a_plugin_is_denied_and_allowed_again(tmp_path):
    path = tmp_path / "pegboard.toml"
    path.write_text('# mine\n[plugins]\nallow = ["caching"]\n')
    select(tmp_path, "files", is_wanted=False)
    assert tomllib.loads(path.read_text())["plugins"] == {"allow": ["caching"], "deny": ["files"]}
    select(tmp_path, "transport_http", is_wanted=True)
    wanted = ["caching", "transport_http"]
    assert tomllib.loads(path.read_text())["plugins"]["allow"] == wanted
    assert path.read_text().startswith("# mine\n")


@pytest.mark.parametrize("is_wanted", [False, True])
def test_a_name_that_no_plugin_has_is_refused_and_nothing_is_written(tmp_path, is_wanted):
    with pytest.raises(NotFoundError, match="no plugin 'cachign': did you mean caching"):
        select(tmp_path, "cachign", is_wanted=is_wanted)
    assert not (tmp_path / "pegboard.toml").exists()
