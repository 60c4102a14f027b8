"""A mod with exports of every shape, for whoever sends them all that he can think of."""

import datetime as dt
import decimal
import enum
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, Literal

import msgspec

from pegboard import RequestData, Result, get_app
from pegboard.errors import ConflictError, NotFoundError

export = get_app().export


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Item(msgspec.Struct):
    """A thing in a basket."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=20)]
    count: Annotated[int, msgspec.Meta(ge=1, le=99)] = 1
    colours: list[Colour] = []


class Tree(msgspec.Struct):
    """A thing that holds others of its kind."""

    label: str
    children: "list[Tree]" = []


@export(mod_name="shapes", api=True)
def nothing() -> None:
    """Take nothing, answer nothing."""


@export(mod_name="shapes", api=True)
def scalars(a: int, b: float = 0.5, c: bool = False, d: str = "") -> dict[str, Any]:
    """Take one of each."""
    return {"a": a, "b": b, "c": c, "d": d}


@export(mod_name="shapes", api=True)
async def bounded(
    size: Annotated[int, msgspec.Meta(ge=-5, le=5)],
    word: Annotated[str, msgspec.Meta(min_length=1, max_length=5)] = "x",
) -> int:
    """Take what lies within bounds."""
    return size * len(word)


@export(mod_name="shapes", api=True)
def choices(colour: Colour, size: Literal["s", "m"] | None = None) -> str:
    """Take what is on a list."""
    return f"{colour.value} {size}"


@export(mod_name="shapes", api=True)
def times(at: dt.datetime, on: dt.date | None = None, key: uuid.UUID | None = None) -> str:
    """Take what has a form of its own."""
    return f"{at} {on} {key}"


@export(mod_name="shapes", api=True)
def amount(value: decimal.Decimal) -> decimal.Decimal:
    """Take a number of any length."""
    return value


@export(mod_name="shapes", api=True)
async def lists(numbers: list[int], words: list[str] | None = None) -> int:
    """Take several."""
    return len(numbers) + len(words or [])


@export(mod_name="shapes", api=True, api_methods=["POST"])
async def nested(item: Item, tree: Tree | None = None) -> Item:
    """Take things within things."""
    return item


@export(mod_name="shapes", api=True, api_methods=["PUT", "PATCH"])
async def whole(data: Item, twice: bool = False) -> Item:
    """Take the whole body as one thing, and the rest from the query."""
    return data


@export(mod_name="shapes", api=True, api_methods=["POST"])
async def anything(data) -> Any:
    """Take any JSON."""
    return data


@export(mod_name="shapes", api=True, api_methods=["POST"])
async def form(form_data: dict) -> list[str]:
    """Take a form with any fields."""
    return sorted(form_data)


@export(mod_name="shapes", api=True, api_methods=["DELETE"])
async def remove(name: str) -> bool:
    """Take away."""
    if name == "gone":
        msg = "it is gone"
        raise NotFoundError(msg)
    return True


@export(mod_name="shapes", api=True)
async def open_ended(first: int = 0, **rest: Any) -> list[str]:
    """Take whatever comes."""
    return sorted(rest)


@export(mod_name="shapes", api=True)
async def requested(request: RequestData, n: int = 0) -> str:
    """Take the request itself."""
    return request.method


@export(mod_name="shapes", api=True, row=True)
def bare_text(name: str = "x") -> str:
    """Answer bare text."""
    return name


@export(mod_name="shapes", api=True, row=True)
def bare_bytes(size: Annotated[int, msgspec.Meta(ge=0, le=100)] = 3) -> bytes:
    """Answer bare bytes."""
    return b"x" * size


@export(mod_name="shapes", api=True, row=True)
def bare_item(name: Annotated[str, msgspec.Meta(min_length=1, max_length=20)]) -> Item:
    """Answer a bare thing."""
    return Item(name=name)


@export(mod_name="shapes", api=True)
def result(kind: Literal["json", "html", "text", "binary", "redirect", "error", "created"]):
    """Answer in any way."""
    answers = {
        "json": Result.json({"a": 1}),
        "html": Result.html("<p>"),
        "text": Result.text("a"),
        "binary": Result.binary(b"\x00", download_name="ü.bin"),
        "redirect": Result.redirect("/elsewhere"),
        "error": Result.error(info="no", exec_code=418),
        "created": Result.json(1, status_code=201),
    }
    return answers[kind]


@export(mod_name="shapes", api=True)
def refusing(how: Literal["conflict", "user"]) -> int:
    """Refuse."""
    if how == "conflict":
        msg = "it is held"
        raise ConflictError(msg)
    return Result.default_user_error("no")


@export(mod_name="shapes", api=True)
async def stream(count: Annotated[int, msgspec.Meta(ge=0, le=5)] = 2) -> AsyncIterator[int]:
    """Answer one by one."""
    for number in range(count):
        yield number


@export(mod_name="shapes", api=True)
def plain_stream(words: list[str]) -> Iterator[str]:
    """Answer one by one, from a thread."""
    yield from words


@export(mod_name="shapes", api=True, level=1)
def closed(n: int = 0) -> int:
    """Answer nobody who is not signed in."""
    return n


@export("größe 1", mod_name="shapes", api=True)
def named() -> int:
    """Have a name that no URL can hold as it is."""
    return 1
