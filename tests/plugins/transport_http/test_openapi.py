"""The description of the exports, and the parts that it is made of."""

import enum
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import msgspec
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from pegboard import App, RequestData, Result
from pegboard.testing import HttpClient
from pegboard_transport_http import UploadedFile
from pegboard_transport_http._answer import answer_of
from pegboard_transport_http._docstring import parse_docstring
from pegboard_transport_http._schema import described, is_flat, schemas_of

pytestmark = pytest.mark.anyio


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Item(msgspec.Struct):
    """A thing in a basket."""

    name: str
    colour: Colour = Colour.RED


class Opaque:
    """A type that has no schema."""


async def describe(*functions, **options) -> dict[str, Any]:
    """Export functions as mod `shop`, and return the description, held to the specification."""
    app = App("Shop", plugins=["transport_http"], mods=[])
    for function in functions:
        app.export(mod_name="shop", **{"api": True, **options})(function)
    async with app:
        document = (await HttpClient(app).get("/openapi.json")).json()
    OpenAPIV31SpecValidator(document).validate()
    return document


def schema_of_body(operation, kind="application/json"):
    return operation["requestBody"]["content"][kind]["schema"]


async def test_only_what_can_be_called_is_described():
    def hidden(): ...

    assert list((await describe(hidden, api=False))["paths"]) == ["/health"]


async def test_arguments_are_parameters_of_a_get_with_types_defaults_and_words():
    def paint(
        item: str, colour: Colour = Colour.RED, coats: Annotated[int, msgspec.Meta(ge=1)] = 2
    ):
        """Paint something.

        Args:
            item: What to paint.
            coats: How often,
                at least once.
        """

    document = await describe(paint, api_methods=["GET"])
    operation = document["paths"]["/api/shop/paint"]["get"]
    item, colour, coats = operation["parameters"]
    assert (item["required"], item["description"]) == (True, "What to paint.")
    assert colour["schema"] == {"$ref": "#/components/schemas/Colour", "default": "red"}
    assert coats["schema"] == {"type": "integer", "minimum": 1, "default": 2}
    assert coats["description"] == "How often, at least once."
    assert operation["summary"] == "Paint something."
    assert "requestBody" not in operation


async def test_arguments_are_members_of_the_body_of_a_post():
    def paint(item: str, coats: int = 2): ...

    operation = (await describe(paint))["paths"]["/api/shop/paint"]["post"]
    schema = schema_of_body(operation)
    assert schema["required"] == ["item"]
    assert set(schema["properties"]) == {"item", "coats"}
    assert schema["additionalProperties"] is False
    assert operation["requestBody"]["required"] is True
    forms = {"application/x-www-form-urlencoded", "multipart/form-data"}
    assert set(operation["requestBody"]["content"]) == {"application/json", *forms}


async def test_a_form_is_not_offered_for_what_it_cannot_hold():
    def buy(items: list[Item]): ...

    operation = (await describe(buy))["paths"]["/api/shop/buy"]["post"]
    assert list(operation["requestBody"]["content"]) == ["application/json"]


async def test_data_is_the_whole_body_and_the_rest_comes_in_the_query():
    def buy(data: Item, count: int = 1): ...

    operation = (await describe(buy))["paths"]["/api/shop/buy"]["post"]
    assert schema_of_body(operation) == {"$ref": "#/components/schemas/Item"}
    assert [each["name"] for each in operation["parameters"]] == ["count"]


async def test_form_data_is_a_form():
    def upload(form_data: dict): ...

    operation = (await describe(upload, api_methods=["POST"]))["paths"]["/api/shop/upload"]["post"]
    kinds = {"application/x-www-form-urlencoded", "multipart/form-data"}
    assert set(operation["requestBody"]["content"]) == kinds


FILE = {"type": "string", "format": "binary"}


async def test_a_file_is_a_part_of_a_multipart_form():
    def upload(picture: UploadedFile, title: str = ""): ...

    operations = (await describe(upload))["paths"]["/api/shop/upload"]
    assert list(operations) == ["post"], "a file has no place in a query"
    content = operations["post"]["requestBody"]["content"]
    assert list(content) == ["multipart/form-data"]
    schema = content["multipart/form-data"]["schema"]
    assert schema["properties"]["picture"] == FILE
    assert schema["required"] == ["picture"]


async def test_files_that_may_be_left_out_leave_the_other_ways_open():
    def upload(
        title: str, *, pictures: list[UploadedFile] = (), cover: UploadedFile | None = None
    ): ...

    operations = (await describe(upload))["paths"]["/api/shop/upload"]
    assert [each["name"] for each in operations["get"]["parameters"]] == ["title"]
    content = operations["post"]["requestBody"]["content"]
    assert list(content) == ["multipart/form-data", "application/json"]
    form = content["multipart/form-data"]["schema"]["properties"]
    assert form["pictures"] == {"type": "array", "items": FILE, "default": []}
    assert form["cover"] == {"anyOf": [FILE, {"type": "null"}]}
    assert list(content["application/json"]["schema"]["properties"]) == ["title"]


async def test_an_export_that_takes_the_request_takes_any_body():
    def inspect(request: RequestData, n: int = 1): ...

    operation = (await describe(inspect))["paths"]["/api/shop/inspect"]["post"]
    assert "*/*" in operation["requestBody"]["content"]
    assert schema_of_body(operation)["additionalProperties"] is True


async def test_an_export_without_arguments_has_no_body():
    def ping(): ...

    paths = (await describe(ping))["paths"]["/api/shop/ping"]
    assert "requestBody" not in paths["post"]
    assert "parameters" not in paths["get"]


async def test_the_declared_answer_is_inside_of_the_envelope():
    def price() -> int: ...

    operation = (await describe(price))["paths"]["/api/shop/price"]["get"]
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    data = {"properties": {"result": {"properties": {"data": {"type": "integer"}}}}}
    assert schema == {"allOf": [{"$ref": "#/components/schemas/pegboard.Result"}, data]}


async def test_every_refusal_is_described_with_the_envelope():
    def price() -> int: ...

    document = await describe(price, level=1)
    operation = document["paths"]["/api/shop/price"]["post"]
    assert {"400", "401", "403", "404", "405", "413", "415", "500"} <= set(operation["responses"])
    reference = operation["responses"]["401"]["$ref"].rpartition("/")[2]
    content = document["components"]["responses"][reference]["content"]
    assert content == {
        "application/json": {"schema": {"$ref": "#/components/schemas/pegboard.Result"}}
    }


async def test_a_level_is_named_and_needs_a_session():
    def close(): ...

    document = await describe(close, level=5)
    operation = document["paths"]["/api/shop/close"]["get"]
    assert operation["x-pegboard-level"] == 5
    assert operation["security"] == [{"session": []}]
    assert "session" in document["components"]["securitySchemes"]


async def test_what_may_stream_has_an_address_for_events():
    async def ticks() -> AsyncIterator[int]:
        yield 1

    def price() -> int: ...

    paths = (await describe(ticks, price))["paths"]
    content = paths["/sse/shop/ticks"]["get"]["responses"]["200"]["content"]
    assert list(content) == ["text/event-stream"]
    assert "/sse/shop/price" not in paths


async def test_ids_are_unique_and_mods_are_tags():
    async def ticks() -> AsyncIterator[int]:
        yield 1

    document = await describe(ticks, lambda_free)
    operations = [each for path in document["paths"].values() for each in path.values()]
    ids = [each["operationId"] for each in operations]
    assert len(ids) == len(set(ids)) == 9
    assert [each["name"] for each in document["tags"]] == ["shop"]


def lambda_free(): ...


async def test_two_classes_of_one_name_stay_two():
    def one(data: Item): ...

    def make():
        class Item(msgspec.Struct):
            size: int

        Item.__module__ = "elsewhere"
        return Item

    def other(data): ...

    other.__annotations__["data"] = make()
    document = await describe(one, other)
    schemas = [
        schema_of_body(document["paths"][f"/api/shop/{name}"]["post"]) for name in ("one", "other")
    ]
    assert schemas[0] != schemas[1]


async def test_names_beyond_ascii_are_encoded_in_the_path():
    document = await describe(lambda_free, name="größe")
    assert "/api/shop/gr%C3%B6%C3%9Fe" in document["paths"]


async def test_the_description_follows_what_is_exported():
    app = App("Shop", plugins=["transport_http"], mods=[])
    async with app:
        client = HttpClient(app)
        before = await client.get("/openapi.json")
        app.export(mod_name="late", api=True)(lambda_free)
        after = await client.get("/openapi.json")
        assert (await client.get("/openapi.json")).headers.etag == after.headers.etag
    assert "/api/late/lambda_free" not in before.json()["paths"]
    assert "/api/late/lambda_free" in after.json()["paths"]
    assert before.headers.etag != after.headers.etag


# -- parts ---------------------------------------------------------------------------------


def test_a_type_without_a_schema_is_anything_of_its_name():
    schemas, _ = schemas_of([Opaque, complex, list[Opaque], int])
    opaque = {"title": "Opaque"}
    items = {"type": "array", "items": opaque}
    assert schemas == [opaque, {"title": "complex"}, items, {"type": "integer"}]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), None, msgspec.UNSET])
def test_a_default_that_json_cannot_hold_is_left_out(value):
    assert described({"type": "number"}, default=value) == {"type": "number"}


@pytest.mark.parametrize(
    ("kind", "flat"),
    [
        (int, True),
        (str | None, True),
        (list[int], True),
        (Colour, True),
        (Any, True),
        (dict, False),
        (Item, False),
        (list[Item], False),
        (list[list[int]], False),
        (int | list[Item], False),
    ],
)
def test_a_form_holds_scalars_and_lists_of_them(kind, flat):
    (schema,), components = schemas_of([kind])
    assert is_flat(schema, components) is flat


def sync_generator() -> Iterator[int]:
    yield 1


def iterator_of() -> AsyncIterator[int]: ...
def typed() -> Result[int]: ...
def plain() -> Result: ...
def either() -> Result | int: ...
def untyped(): ...
def value() -> list[int]: ...
def unreadable() -> "Nowhere": ...  # noqa: F821 - a name that only a type checker would know


@pytest.mark.parametrize(
    ("function", "kind", "data"),
    [
        (sync_generator, "stream", Any),
        (iterator_of, "stream", Any),
        (typed, "result", int),
        (plain, "result", Any),
        (either, "result", Any),
        (untyped, "result", Any),
        (value, "value", list[int]),
        (lambda_free, "result", Any),
    ],
)
async def test_the_signature_tells_how_it_is_answered(function, kind, data):
    app = App("Shop", plugins=["transport_http"], mods=[])
    app.export(mod_name="shop", api=True)(function)
    async with app:
        (export,) = app.registry
        answer = answer_of(export)
    assert (answer.kind, answer.type) == (kind, data)


async def test_a_value_that_is_sent_bare_is_described_bare():
    def name() -> str: ...
    def content() -> bytes: ...
    def numbers() -> list[int]: ...

    paths = (await describe(name, content, numbers, row=True))["paths"]
    kinds = {
        path: list(each["get"]["responses"]["200"]["content"])
        for path, each in paths.items()
        if path.startswith("/api")
    }
    assert kinds == {
        "/api/shop/name": ["text/plain"],
        "/api/shop/content": ["application/octet-stream"],
        "/api/shop/numbers": ["application/json"],
    }


async def test_compute_functions_may_change_what_is_answered():
    def price() -> int: ...

    document = await describe(price, post_compute=lambda result: result)
    assert "*/*" in document["paths"]["/api/shop/price"]["get"]["responses"]["200"]["content"]


def test_a_docstring_is_read_by_its_sections():
    doc = parse_docstring(
        """Do it
        well.

        With care.

        Args:
            n (int): How often:
                never.
            **rest: More.

        Returns:
            What was
            done.

        Raises:
            ValueError: Always.
        """
    )
    assert doc.summary == "Do it well."
    assert doc.description == "With care."
    assert doc.arguments == {"n": "How often: never.", "rest": "More."}
    assert doc.returns == "What was done."


@pytest.mark.parametrize("text", [None, "", "   ", "Args:\n", "Args:\n    loose text\n"])
def test_a_docstring_without_form_says_nothing(text):
    assert parse_docstring(text).arguments == {}
