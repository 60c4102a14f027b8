"""Settings: where each value comes from, and what happens to one that does not fit."""

from typing import Annotated

import msgspec
import pytest

from pegboard import App
from pegboard._cli.setting import settings_of
from pegboard._config import AppSettings, load_config
from pegboard._serving.advice import forgotten_variables
from pegboard.errors import ConfigError


class ServeLike(msgspec.Struct, frozen=True, kw_only=True):
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 5000
    host: str = "127.0.0.1"
    ratio: float = 1.0
    is_on: bool = False
    names: tuple[str, ...] = ()
    maybe: int | None = None


def manifest(tmp_path, text):
    (tmp_path / "pegboard.toml").write_text(text)
    return tmp_path


def test_without_anything_there_are_defaults():
    config = load_config(None, environment={})
    assert config.section("app", AppSettings) == AppSettings()
    assert {each["origin"] for each in settings_of(config)} == {"default"}


def test_the_caller_wins_over_the_environment_and_that_over_the_manifest(tmp_path):
    project = manifest(tmp_path, '[serve]\nport = 1\nhost = "file"\nratio = 0.5\n')
    environment = {"PEGBOARD_SERVE__PORT": "2", "PEGBOARD_SERVE__HOST": "environment"}
    config = load_config(project, overrides={"serve": {"port": 3}}, environment=environment)
    assert config.section("serve", ServeLike) == ServeLike(port=3, host="environment", ratio=0.5)
    origins = {each["name"]: each["origin"] for each in settings_of(config)}
    assert origins == {
        "serve.host": "environment PEGBOARD_SERVE__HOST",
        "serve.is_on": "default",
        "serve.maybe": "default",
        "serve.names": "default",
        "serve.port": "caller",
        "serve.ratio": str(tmp_path / "pegboard.toml"),
    }


def test_text_of_the_environment_becomes_the_type_of_the_setting():
    environment = {
        "PEGBOARD_SERVE__PORT": "80",
        "PEGBOARD_SERVE__IS_ON": "true",
        "PEGBOARD_SERVE__NAMES": "a, b,",
        "PEGBOARD_SERVE__MAYBE": "7",
        "PEGBOARD_SERVE__HOST": "12",
    }
    settings = load_config(None, environment=environment).section("serve", ServeLike)
    assert settings == ServeLike(port=80, is_on=True, names=("a", "b"), maybe=7, host="12")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [({"HOST": "::1"}, "at ::1:80"), ({"HOST": "x", "PORT": "8"}, "at x:8")],
)
def test_variables_are_filled_in(tmp_path, environment, expected):
    project = manifest(tmp_path, '[serve]\nhost = "at ${HOST}:${PORT:80}"\n')
    assert (
        load_config(project, environment=environment).section("serve", ServeLike).host == expected
    )


@pytest.mark.parametrize(
    ("text", "environment", "expected"),
    [
        ('port = "${PORT:5001}"\nis_on = "${ON:true}"', {}, ServeLike(port=5001, is_on=True)),
        ('names = "${NAMES}"', {"NAMES": "a, b"}, ServeLike(names=("a", "b"))),
        ('names = ["${NAME}", "b"]', {"NAME": "a"}, ServeLike(names=("a", "b"))),
        ('host = "${HOST}"', {"HOST": "12"}, ServeLike(host="12")),
        ('maybe = "${MAYBE:null}"', {}, ServeLike(maybe=None)),
    ],
)
def test_a_variable_fills_in_what_the_setting_is(tmp_path, text, environment, expected):
    project = manifest(tmp_path, f"[serve]\n{text}\n")
    assert load_config(project, environment=environment).section("serve", ServeLike) == expected


def test_null_in_the_environment_is_none_where_that_can_be():
    class Optional(msgspec.Struct, frozen=True):
        folder: str | None = "x"
        names: tuple[str, ...] | None = ("x",)
        title: str = "x"

    environment = {
        "PEGBOARD_SERVE__FOLDER": "null",
        "PEGBOARD_SERVE__NAMES": "null",
        "PEGBOARD_SERVE__TITLE": "null",
    }
    found = load_config(None, environment=environment).section("serve", Optional)
    assert found == Optional(folder=None, names=None, title="null")


def test_an_empty_default_of_a_variable_is_empty(tmp_path):
    project = manifest(tmp_path, '[serve]\nhost = "${NOT_SET:}"\n')
    assert load_config(project, environment={}).section("serve", ServeLike).host == ""


def test_a_variable_that_is_not_set_is_an_error_with_its_place(tmp_path):
    project = manifest(tmp_path, '[serve]\nhost = "${NOT_SET}"\n')
    with pytest.raises(ConfigError, match=r"pegboard\.toml: \$\{NOT_SET\} is not set"):
        load_config(project, environment={})


@pytest.mark.parametrize(
    ("text", "environment", "complaint"),
    [
        ("[serve]\nprot = 1", {}, r"unknown setting serve\.prot \(from .*pegboard\.toml\); .*port"),
        ("[serve]\nprot = 1", {}, r"; did you mean port\?"),
        ("", {"PEGBOARD_SERVE__PROT": "1"}, r"serve\.prot \(from environment PEGBOARD_SERVE__PROT"),
        ("[serve]\nport = 70000", {}, r"setting serve\.port \(from .*pegboard\.toml\): Expected"),
        ("", {"PEGBOARD_SERVE__PORT": "high"}, r"serve\.port \(from environment PEGBOARD_SERVE"),
        ("serve = 1", {}, r"setting serve \(from .*pegboard\.toml\) has to be a section"),
    ],
)
def test_what_does_not_fit_is_an_error_with_its_place(tmp_path, text, environment, complaint):
    config = load_config(manifest(tmp_path, text), environment=environment)
    with pytest.raises(ConfigError, match=complaint):
        config.section("serve", ServeLike)


@pytest.mark.parametrize(
    ("text", "environment", "complaint"),
    [
        ("[sevre]\nport = 1", {}, r"unknown section 'sevre' \(from .*pegboard\.toml\).*serve"),
        ("", {"PEGBOARD_SEVRE__PORT": "1"}, "'sevre' .*PEGBOARD_SEVRE__PORT"),
        ("port = ", {}, r"pegboard\.toml is not valid TOML"),
        ("[serve]\nport = 1\nport = 2", {}, r"pegboard\.toml is not valid TOML"),
    ],
)
def test_a_manifest_that_cannot_be_right_is_an_error(tmp_path, text, environment, complaint):
    with pytest.raises(ConfigError, match=complaint):
        load_config(manifest(tmp_path, text), environment=environment)


@pytest.mark.parametrize("section", ["plugins", "mods"])
@pytest.mark.parametrize(
    ("text", "environment", "complaint"),
    [
        ("alow = ['x']", {}, r"unknown setting {}\.alow \(from .*pegboard\.toml\); known: allow"),
        ("alow = ['x']", {}, r"did you mean allow\?"),
        ("dney = 'x'", {}, r"unknown setting {}\.dney"),
        ("allow = 'x'", {}, r"setting {}\.allow \(from .*pegboard\.toml\): Expected"),
        ("", {"PEGBOARD_{}__ALOW": "x"}, r"{}\.alow \(from environment PEGBOARD_"),
    ],
)
def test_a_selection_that_is_misspelt_is_an_error(tmp_path, section, text, environment, complaint):
    named = {key.format(section.upper()): value for key, value in environment.items()}
    config = load_config(manifest(tmp_path, f"[{section}]\n{text}\n"), environment=named)
    with pytest.raises(ConfigError, match=complaint.format(section)):
        config.selection(section)


def test_a_selection_is_shown_with_its_origin_and_leaves_sections_of_plugins_alone(tmp_path):
    text = "[plugins]\nallow = ['a']\n[plugins.a]\nsize = 1\n"
    environment = {"PEGBOARD_PLUGINS__DENY": "b, c"}
    config = load_config(manifest(tmp_path, text), environment=environment)
    config.selection("plugins")
    shown = {each["name"]: (each["value"], each["origin"]) for each in settings_of(config)}
    assert shown == {
        "plugins.allow": (["a"], str(tmp_path / "pegboard.toml")),
        "plugins.deny": (["b", "c"], "environment PEGBOARD_PLUGINS__DENY"),
    }


def test_a_variable_with_one_underscore_too_few_gets_a_hint():
    environment = {"PEGBOARD_SERVE_PORT": "1", "PEGBOARD_PROJECT": ".", "PEGBOARD_APP__NAME": "x"}
    assert list(forgotten_variables(environment)) == [
        "the variable PEGBOARD_SERVE_PORT sets nothing; did you mean PEGBOARD_SERVE__PORT?"
    ]


def test_secrets_are_hidden_at_any_depth_and_in_addresses():
    class Store(msgspec.Struct, frozen=True):
        url: str
        access_token: str = ""

    class Stores(msgspec.Struct, frozen=True):
        main: Store
        more: dict[str, dict[str, str]] = {}
        urls: tuple[str, ...] = ()
        key_command: tuple[str, ...] = ()

    values = {
        "main": {"url": "postgresql://u:PW@h/d?sslpassword=PW", "access_token": "PW"},
        "more": {"x": {"secret_access_key": "PW", "region": "eu"}},
        "urls": ["redis://:PW@h:1", "smtp://u:PW/PW@h", "https://h/?X-Amz-Signature=PW&a=b"],
        "key_command": ["vault", "--login", "PW"],
    }
    config = load_config(None, overrides={"plugins": {"x": values}}, environment={})
    config.section("plugins.x", Stores)
    shown = {each["name"]: each["value"] for each in settings_of(config)}
    assert "PW" not in str(shown)
    assert shown["plugins.x.main"]["url"] == "postgresql://u:***@h/d?sslpassword=***"
    assert shown["plugins.x.more"]["x"] == {"secret_access_key": "***", "region": "eu"}
    assert shown["plugins.x.key_command"] == ["vault", "***"]
    assert shown["plugins.x.urls"] == [
        "redis://:***@h:1",
        "smtp://u:***@h",
        "https://h/?X-Amz-Signature=***&a=b",
    ]


def test_a_manifest_that_is_not_utf_8_is_an_error(tmp_path):
    (tmp_path / "pegboard.toml").write_bytes(b'[serve]\nhost = "\xff"\n')
    with pytest.raises(ConfigError, match=r"pegboard\.toml is not valid TOML"):
        load_config(tmp_path, environment={})


def test_secrets_are_hidden_where_settings_are_shown():
    class Secretive(msgspec.Struct, frozen=True):
        api_key: str = ""
        password: str = ""

    config = load_config(
        None, overrides={"plugins": {"x": {"password": "hunter2"}}}, environment={}
    )
    config.section("plugins.x", Secretive)
    shown = {each["name"]: each["value"] for each in settings_of(config)}
    assert shown == {"plugins.x.api_key": "", "plugins.x.password": "***"}


@pytest.mark.anyio
async def test_the_app_takes_its_settings_and_keeps_its_data_in_the_project(tmp_path, monkeypatch):
    monkeypatch.setenv("PEGBOARD_APP__THREADS", "3")
    project = manifest(tmp_path, "[app]\ndev = true\n")
    async with App(project=project, plugins=[], mods=[]) as app:
        assert app.dev
        assert app.threads.total_tokens == 3
        assert app.data == tmp_path / ".pegboard"
        assert not app.data.exists()


@pytest.mark.anyio
async def test_levels_of_exports_without_one_come_from_the_access_section(pegboard_app):
    access = {"default_level": 5, "open_modules": ["Open"], "protected_modules": ["Guarded"]}
    async with pegboard_app(config={"access": access}) as app:
        for mod in ("Open", "Guarded", "Other"):
            app.export(mod_name=mod, name="plain")(lambda: None)
            app.export(mod_name=mod, name="own", level=10)(lambda: None)
        levels = {each.address: each.required_level for each in app.registry}
    assert levels == {
        "Guarded.own": 10,
        "Guarded.plain": 5,
        "Open.own": 10,
        "Open.plain": 0,
        "Other.own": 10,
        "Other.plain": 5,
    }


@pytest.mark.anyio
@pytest.mark.parametrize(("open_prefix", "level"), [(False, 5), (True, 0)])
async def test_a_name_opens_an_export_only_where_the_settings_say_so(
    pegboard_app, open_prefix, level
):
    access = {"default_level": 5, "protected_modules": ["Guarded"], "open_prefix": open_prefix}
    async with pegboard_app(config={"access": access}) as app:
        for mod in ("Guarded", "Other"):
            app.export(mod_name=mod, name="openDoor")(lambda: None)
        app.export(mod_name="Other", name="open_named", level=1)(lambda: None)
        levels = {each.address: each.required_level for each in app.registry}
    assert levels == {"Guarded.openDoor": 5, "Other.openDoor": level, "Other.open_named": 1}
