"""The keywords of `@export`, each with its documented default and effect."""

import pytest

from pegboard import App, Result
from pegboard.errors import LoadError, MissingPluginError
from pegboard.testing import HttpClient

pytestmark = pytest.mark.anyio

DEFAULTS = {
    "name": None,
    "mod_name": "",
    "helper": "",
    "version": None,
    "test": True,
    "samples": None,
    "restrict_in_virtual_mode": False,
    "api": False,
    "initial": False,
    "exit_f": False,
    "test_only": False,
    "request_as_kwarg": False,
    "row": False,
    "state": None,
    "level": None,  # the documented -1, which may be named here: it lets nobody in from outside
    "interface": None,
    "pre_compute": None,
    "post_compute": None,
    "api_methods": None,
}


async def declared(app, function=lambda: None, **keywords):
    app.export(**{"mod_name": "M", "name": "f", **keywords})(function)
    return app.registry.table[f"M.{keywords.get('name') or 'f'}"].export


async def test_the_defaults_are_the_documented_ones(pegboard_app):
    async with pegboard_app() as app:
        bare = (await declared(app, name="a")).options
        spelt_out = (await declared(app, **{**DEFAULTS, "name": "b", "mod_name": "M"})).options
        for name, value in DEFAULTS.items():
            if name not in {"name", "mod_name", "api_methods"}:
                assert getattr(bare, name) == getattr(spelt_out, name) == value
        assert spelt_out.api_methods == bare.api_methods == ("AUTO",)


async def test_a_name_given_by_position_or_keyword_is_the_name_of_the_export(pegboard_app):
    async with pegboard_app() as app:
        app.export("first", mod_name="M")(lambda: 1)
        app.tb(name="second", mod_name="M")(lambda: 2)
        assert (await app.call("M.first")).get() == 1
        assert (await app.call("M.second")).get() == 2


async def test_without_a_mod_name_the_last_part_of_the_module_is_it(pegboard_app):
    async with pegboard_app() as app:

        @app.export()
        def f(): ...

        assert list(app.registry.table) == ["test_export_options.f"]


async def test_the_help_is_the_helper_or_the_first_line_of_the_docstring(pegboard_app):
    def documented():
        """Say something.

        And more.
        """

    async with pegboard_app() as app:
        assert (await declared(app, documented, name="a")).summary == "Say something."
        assert (await declared(app, documented, name="b", helper="Mine")).summary == "Mine"


async def test_the_interface_is_the_third_part_of_the_origin(pegboard_app):
    async with pegboard_app() as app:
        await declared(app, name="a")
        await declared(app, name="b", interface="cli")
        assert (await app.call("M.a")).origin == ("M", "a", "tb")
        assert (await app.call("M.b")).origin == ("M", "b", "cli")


@pytest.mark.parametrize(
    ("methods", "expected"),
    [
        (None, ("GET", "POST")),
        (["AUTO"], ("GET", "POST")),
        (["PUT", "POST"], ("PUT", "POST")),
        (["AUTO", "DELETE", "GET"], ("GET", "POST", "DELETE")),
    ],
)
async def test_api_methods_are_a_list_and_auto_is_get_and_post(pegboard_app, methods, expected):
    async with pegboard_app() as app:
        assert (await declared(app, api_methods=methods)).methods == expected


async def test_samples_version_and_the_rest_are_kept_for_whoever_reads_them(pegboard_app):
    keywords = {
        "version": "1.2",
        "test": False,
        "samples": [{"n": 1}],
        "restrict_in_virtual_mode": True,
    }
    async with pegboard_app() as app:
        options = (await declared(app, lambda n=0: n, **keywords)).options
        assert {name: getattr(options, name) for name in keywords} == keywords


@pytest.mark.parametrize(
    ("name", "testing", "expected"),
    [
        ("app", False, []),
        ("app", True, ["M.f"]),
        ("my-test", False, ["M.f"]),
        ("contest", False, []),
    ],
)
async def test_test_only_exports_need_an_app_under_test(name, testing, expected):
    app = App(name, plugins=[], mods=[], testing=testing)
    app.export(mod_name="M", name="f", test_only=True)(lambda: None)
    async with app:
        assert list(app.registry.table) == expected


async def test_state_decides_whether_a_first_parameter_self_or_state_is_injected(pegboard_app):
    async with pegboard_app() as app:

        @app.export(mod_name="M")
        def automatic(self, n):
            self.n = n
            return app.state("M").n

        @app.export(mod_name="M", state=False)
        def bare(state):
            return state

        assert (await app.call("M.automatic", 5)).get() == 5
        assert (await app.call("M.bare", "sent")).get() == "sent"


@pytest.mark.parametrize("keyword", ["memory_cache", "file_cache", "websocket_handler"])
async def test_keywords_of_plugins_name_the_plugin_that_is_missing(pegboard_app, keyword):
    async with pegboard_app() as app:
        with pytest.raises(LoadError) as refused:
            await declared(app, **{keyword: "room" if keyword == "websocket_handler" else True})
        assert isinstance(refused.value.__cause__, MissingPluginError)
        assert "pip install pegboard-" in str(refused.value)


@pytest.mark.parametrize("keyword", ["memory_cache", "file_cache", "websocket_context"])
async def test_keywords_of_plugins_that_are_switched_off_need_no_plugin(pegboard_app, keyword):
    async with pegboard_app() as app:
        assert await declared(app, **{keyword: False})


async def test_an_export_with_api_is_reachable_from_outside_and_one_without_is_not(documented):
    async with documented() as app:
        await declared(app, lambda: Result.ok(1), name="open", api=True)
        await declared(app, lambda: Result.ok(2), name="closed")
        client = HttpClient(app)
        assert (await client.get("/api/M/open")).result().get() == 1
        assert (await client.get("/api/M/closed")).status == 404
