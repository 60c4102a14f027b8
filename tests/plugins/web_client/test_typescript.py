"""Typed calls for TypeScript."""

import json
import re
from typing import Annotated, Literal

import msgspec
import pytest
from click.testing import CliRunner

from pegboard import Result
from pegboard.testing import HttpClient
from pegboard_web_client import typescript
from pegboard_web_client._command import client


class Item(msgspec.Struct):
    name: str
    tags: list[str]
    kind: Literal["a", "b"] = "a"
    size: Annotated[int, msgspec.Meta(ge=0)] | None = None


async def source_of(pegboard_app, *functions, **keywords):
    async with pegboard_app(plugins=["transport_http"]) as app:
        for function in functions:
            app.export(mod_name="My.Mod", api=True, **keywords)(function)
        description = (await HttpClient(app).get("/openapi.json")).json()
    return typescript(description)


def get(n: int, names: list[str]) -> Item:
    """Get it */ now."""


def post(item: Item) -> Result[list[Item]]: ...


def pair() -> tuple[int, str]: ...


async def ticks(after: int = 0):
    yield after


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (
            get,
            "get: (args: { n: number; names: Array<string> }): Promise<Result<Item>> =>",
        ),
        (pair, "pair: (args: Record<string, never> = {}): Promise<Result<[number, string]>> =>"),
    ],
)
async def test_a_function_has_the_types_of_its_arguments_and_its_answer(
    pegboard_app, function, expected
):
    assert expected in await source_of(pegboard_app, function, api_methods=["GET"])


@pytest.mark.anyio
async def test_a_struct_is_a_type_of_its_own(pegboard_app):
    source = await source_of(pegboard_app, post, api_methods=["POST"])
    assert (
        "export type Item = { name: string; tags: Array<string>; "
        'kind?: "a" | "b"; size?: (number | null) };' in source
    )
    assert "post: (args: { item: Item }): Promise<Result<Array<Item>>> =>" in source
    assert 'TB.api.request("My.Mod", "post", args, "POST"),' in source


@pytest.mark.anyio
async def test_a_mod_is_an_object_with_a_name_that_can_be_written(pegboard_app):
    source = await source_of(pegboard_app, get)
    assert "export const My_Mod = {" in source
    assert "/** Get it * / now. */" in source


@pytest.mark.anyio
async def test_mods_whose_names_are_written_alike_are_apart(pegboard_app):
    async with pegboard_app(plugins=["transport_http"]) as app:
        for mod in ("a-b", "a_b", "streams"):
            app.export(mod_name=mod, api=True)(get)
        source = typescript((await HttpClient(app).get("/openapi.json")).json())
    names = re.findall(r"^export const (\w+) = ", source, re.MULTILINE)
    assert names == ["a_b", "a_b_2", "_streams"]


@pytest.mark.anyio
async def test_a_stream_is_followed(pegboard_app):
    source = await source_of(pegboard_app, ticks)
    assert (
        "ticks: (args: { after?: number } = {}, options: StreamOptions = {}): Stream =>" in source
    )
    assert 'TB.sse.connect("/sse/My.Mod/ticks" + query(args), options),' in source


def test_the_command_writes_a_module(tmp_path):
    (tmp_path / "mods").mkdir()
    (tmp_path / "mods" / "hello.py").write_text(
        "from pegboard import get_app\n"
        "print('noise')\n"
        "@get_app('hello').tb(mod_name='hello', api=True)\n"
        "def greet(name: str) -> str:\n"
        "    return name\n"
    )
    done = CliRunner().invoke(client, ["typescript", "--project", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("// Typed calls of pegboard")
    assert "greet: (args: { name: string }): Promise<Result<string>> =>" in done.stdout
    assert "noise" not in done.stdout


def test_the_package_has_what_npm_needs(tmp_path):
    folder = tmp_path / "new"
    done = CliRunner().invoke(client, ["package", str(folder)])
    assert done.exit_code == 0, done.output
    described = json.loads((folder / "package.json").read_text())
    assert {file.name for file in folder.iterdir()} == {"package.json", *described["files"]}
    refused = CliRunner().invoke(client, ["package", str(folder)])
    assert refused.exit_code == 1
    assert "is not empty" in refused.stderr
