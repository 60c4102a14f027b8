"""The two requests that every contender answers, and the data expected back."""

from typing import Any

import msgspec


class Line(msgspec.Struct):
    """One line of an order."""

    sku: str
    title: str
    quantity: int
    price: float


class Item(msgspec.Struct):
    """The typed body of the POST: about 1 KB of compact JSON."""

    id: int
    customer: str
    email: str
    paid: bool
    total: float
    tags: list[str]
    attributes: dict[str, str]
    lines: list[Line]
    note: str | None = None


ITEM = Item(
    id=90210,
    customer="Ada Lovelace",
    email="ada@example.org",
    paid=True,
    total=1234.5,
    tags=["new", "priority", "gift", "export"],
    attributes={"colour": "green", "channel": "web", "campaign": "spring", "locale": "en-GB"},
    lines=[
        Line(
            sku=f"SKU-{number:05d}",
            title=f"Perforated hardboard panel, size {number}",
            quantity=number + 1,
            price=19.25 + number,
        )
        for number in range(6)
    ],
    note="Please deliver to the side entrance; ring twice. " * 3,
)

GET_PATH = "/api/Bench/get"
GET_QUERY = b"n=42&name=pegboard"
GET_DATA: dict[str, Any] = {"n": 42, "name": "pegboard"}

POST_PATH = "/api/Bench/post"
POST_BODY = msgspec.json.encode(ITEM)
POST_DATA: dict[str, Any] = msgspec.to_builtins(ITEM)

ECHO_PATH = "/ws/Bench/echo"
ROOM_PATH = "/ws/Bench/room"
SOCKET_MARK = b"Perforated hardboard"
SOCKET_TEXT = msgspec.json.encode(
    {"type": "chat", "n": 42, "text": "Perforated hardboard with round holes, and pegs to match."}
)
