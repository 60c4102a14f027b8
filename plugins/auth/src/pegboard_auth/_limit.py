"""How often an export may be called: the keyword `rate_limit` as a layer."""

from __future__ import annotations

from math import ceil
from time import monotonic
from typing import TYPE_CHECKING, Any

import msgspec

from pegboard import Result, call_context
from pegboard.contracts.call import Call, Stage
from pegboard.errors import ConfigError, TooManyRequestsError
from pegboard_auth._peer import network_of
from pegboard_auth._rate import Rate, RateTable

if TYPE_CHECKING:
    from pegboard import CallContext, Export

__all__ = ["RateOptions", "rate_layer"]


class RateOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The `@export` keywords of this plugin.

    Attributes:
        rate_limit: How often one caller from outside may call it, such as `10/s` or `100/min`; a
            user is a caller wherever they are, everybody else is one by their address. Each
            worker counts for itself. More is answered with 429.
    """

    rate_limit: str | None = None


class _RateLayer:
    stage = Stage.LIMIT

    def __init__(self, export: Export, rate: Rate) -> None:
        self._export = export
        self._table = RateTable(rate)

    def __call__(self, call: Call) -> Call:
        table, export = self._table, self._export

        async def limited(*args: Any, **kwargs: Any) -> Result[Any]:
            context = call_context.get(None)
            if context is None or context.scope is None:
                return await call(*args, **kwargs)
            wait = table.take(_caller(context), monotonic())
            if not wait:
                return await call(*args, **kwargs)
            msg = f"{export.address} is called too often; try again in {ceil(wait)} s"
            error = TooManyRequestsError(msg, retry_after=wait)
            result = Result.from_error(error).set_origin(export.origin)
            result.__dict__["exception"] = error
            return result

        return limited


def rate_layer(export: Export) -> _RateLayer | None:
    """Return the layer that holds the callers of an export to its rate, None without one.

    Raises:
        ConfigError: If the rate is malformed.
    """
    text = export.option(RateOptions).rate_limit
    if text is None:
        return None
    try:
        return _RateLayer(export, Rate.parse(text))
    except ValueError as error:
        msg = f"{export.address}: rate_limit: {error}"
        raise ConfigError(msg) from error


def _caller(context: CallContext) -> str:
    if not context.session.anonymous:
        return f"user {context.session.user_id}"
    peer = context.scope.get("client")
    return f"client {network_of(str(peer[0]))}" if peer else "client"
