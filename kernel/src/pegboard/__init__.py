"""Pegboard: a plugin microkernel. Mods export functions; plugins decide what becomes of them."""

from pluggy import HookimplMarker

from pegboard._app import App
from pegboard._binding import Binding, Parameter
from pegboard._context import (
    CallContext,
    SessionNote,
    call_context,
    current_app,
    current_request,
    current_session,
    entered,
    noting_session,
)
from pegboard._discovery import PluginManifest
from pegboard._export import Declaration, Export, ExportOptions
from pegboard._headers import Headers
from pegboard._reference import get_app
from pegboard._registry import Generation, Registry, Slot
from pegboard._request import ANONYMOUS, Request, RequestData, Session, parse_query
from pegboard._result import (
    OK_INFO,
    ApiResult,
    ErrorKind,
    Interface,
    LazyFlag,
    Result,
    ResultData,
    ResultInfo,
)
from pegboard.contracts.page import HealthCheck, Page
from pegboard.contracts.session import Connection
from pegboard.errors import PegboardError
from pegboard.hookspecs import API_VERSION

__version__ = "0.1.0"

hookimpl = HookimplMarker("pegboard")
"""Marks the methods of a plugin object that implement hooks."""

__all__ = [
    "ANONYMOUS",
    "API_VERSION",
    "OK_INFO",
    "ApiResult",
    "App",
    "Binding",
    "CallContext",
    "Connection",
    "Declaration",
    "ErrorKind",
    "Export",
    "ExportOptions",
    "Generation",
    "Headers",
    "HealthCheck",
    "Interface",
    "LazyFlag",
    "Page",
    "Parameter",
    "PegboardError",
    "PluginManifest",
    "Registry",
    "Request",
    "RequestData",
    "Result",
    "ResultData",
    "ResultInfo",
    "Session",
    "SessionNote",
    "Slot",
    "__version__",
    "call_context",
    "current_app",
    "current_request",
    "current_session",
    "entered",
    "get_app",
    "hookimpl",
    "noting_session",
    "parse_query",
]
