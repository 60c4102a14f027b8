"""FastAPI with typed parameters and Pydantic models declared as return types.

The return type lets Pydantic's serializer write the bytes: FastAPI's quickest documented way.
Telemetry is off, since nobody else here traces, and so are the documentation routes.
"""

from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Generic, TypeVar

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from pydantic import BaseModel

from benchmarks.asgi_type import ASGIApp
from benchmarks.envelope import GET_ORIGIN, POST_ORIGIN
from benchmarks.payload import GET_PATH, POST_PATH

Data = TypeVar("Data")


class Pair(BaseModel):
    """What the GET answers."""

    n: int
    name: str


class Line(BaseModel):
    """One line of an order."""

    sku: str
    title: str
    quantity: int
    price: float


class Item(BaseModel):
    """The typed body of the POST."""

    id: int
    customer: str
    email: str
    paid: bool
    total: float
    tags: list[str]
    attributes: dict[str, str]
    lines: list[Line]
    note: str | None = None


class Body(BaseModel, Generic[Data]):
    """The member ``result`` of the envelope."""

    data_to: str
    data_info: str
    data: Data
    data_type: str


class Info(BaseModel):
    """The member ``info`` of the envelope."""

    exec_code: int
    help_text: str


class Envelope(BaseModel, Generic[Data]):
    """What travels for a call that succeeded."""

    error: str
    origin: tuple[str, str, str]
    result: Body[Data]
    info: Info


GetBody = Body[Pair]
GetEnvelope = Envelope[Pair]
PostBody = Body[Item]
PostEnvelope = Envelope[Item]
_QUIET: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}
_OK = Info(exec_code=0, help_text="OK")


async def _get(n: int, name: str) -> GetEnvelope:
    pair = Pair(n=n, name=name)
    body = GetBody(data_to="NATIVE", data_info="", data=pair, data_type="dict")
    return GetEnvelope(error="none", origin=GET_ORIGIN, result=body, info=_OK)


async def _post(item: Item) -> PostEnvelope:
    body = PostBody(data_to="NATIVE", data_info="", data=item, data_type="Item")
    return PostEnvelope(error="none", origin=POST_ORIGIN, result=body, info=_OK)


def make_app() -> FastAPI:
    """Return a FastAPI application with the two routes; a factory for uvicorn too."""
    app = FastAPI(openapi_url=None, telemetry=_QUIET)
    app.get(GET_PATH)(_get)
    app.post(POST_PATH)(_post)
    return app


def open_app() -> AbstractAsyncContextManager[ASGIApp]:
    """Return the FastAPI application."""
    return nullcontext(make_app())
