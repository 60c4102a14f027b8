"""From an export and its layers to one callable: the hot path.

What a call does at run time is in `compile_call`; everything else here decides, once, which of its
parts this export needs.
"""

from __future__ import annotations

import inspect
import logging
import os
import sys
import traceback
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from types import AsyncGeneratorType, GeneratorType
from typing import TYPE_CHECKING, Any

import anyio
from anyio import to_thread

from pegboard._context import current_request, nested_threads
from pegboard._result import OK_INFO, Result, ResultData
from pegboard.errors import FIRST_SERVER_ERROR, MissingPluginError, PegboardError, UnavailableError

if TYPE_CHECKING:
    from pegboard._app import App
    from pegboard._export import Export
    from pegboard._registry import Generation
    from pegboard.contracts.call import Call, Layer

__all__ = ["compile_call", "failure"]

_logger = logging.getLogger("pegboard.call")

Invoke = Callable[..., Awaitable[Any]]

_TYPES_TO_LOOK_AT = frozenset({Result, GeneratorType, AsyncGeneratorType})
"""Types of answers that are not simply the data of a result."""


def compile_call(app: App, export: Export, layers: Iterable[Layer]) -> Call:
    """Return the call of an export: layers around compute functions around the function."""
    invoke = _with_compute(export, _with_injection(app, export, _as_async(app, export)))
    call = _with_result(app, export, invoke)
    for layer in sorted(layers, key=lambda each: each.stage, reverse=True):
        call = layer(call)
    return call


def _with_result(app: App, export: Export, invoke: Invoke) -> Call:
    generation, origin = export.generation, export.origin

    async def call(*args: Any, **kwargs: Any) -> Result[Any]:
        generation.leases += 1
        try:
            value = await (invoke(*args, **kwargs) if kwargs else invoke(*args))
            kind = type(value)
            if kind not in _TYPES_TO_LOOK_AT:
                data = ResultData("NATIVE", "", value, kind.__name__)
                return Result("none", origin, data, OK_INFO)
            return _result(value, generation, origin)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - becomes the answer, and is logged
            return failure(app, export, error, args, kwargs)
        except BaseException as error:
            if _is_of_another_task(error):
                return failure(app, export, error, args, kwargs)
            raise
        finally:
            generation.leases -= 1

    return call


def _is_of_another_task(error: BaseException) -> bool:
    """Whether asyncio says so that another task was cancelled, whose end this one has awaited."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is None or not isinstance(error, asyncio.CancelledError):
        return False
    task = asyncio.current_task()
    return task is not None and not task.cancelling()


def _result(value: Any, generation: Generation, origin: tuple[str, ...]) -> Result[Any]:
    """Return what a result or generator stands for; a stream keeps a lease until it is closed."""
    result: Result[Any] = value if isinstance(value, Result) else Result.stream(value)
    if result.origin is None:
        result.origin = origin
    if result.result.data_type == "stream":
        generation.leases += 1
        _release_at_close(result, generation)
    return result


def _release_at_close(result: Result[Any], generation: Generation) -> None:
    leased, inner = [generation], result.__dict__.get("release")

    def release() -> None:
        if leased:
            leased.pop().leases -= 1
        if inner is not None:
            inner()

    result.__dict__["release"] = release


def _as_async(app: App, export: Export) -> Invoke:
    function = export.function
    if inspect.iscoroutinefunction(function):
        return function
    is_generator = inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function)
    if is_generator or not export.options.blocking:
        return _inline(function)
    return _in_thread(app, function)


def _inline(function: Callable[..., Any]) -> Invoke:
    async def invoke(*args: Any, **kwargs: Any) -> Any:
        value = function(*args, **kwargs)
        return await value if inspect.iscoroutine(value) else value

    return invoke


def _in_thread(app: App, function: Callable[..., Any]) -> Invoke:
    async def invoke(*args: Any, **kwargs: Any) -> Any:
        nested = anyio.CapacityLimiter(1)

        def work() -> tuple[Any]:  # boxed, as trio wants no coroutine back
            nested_threads.set((app, nested))
            return (function(*args, **kwargs),)

        outer = nested_threads.get()
        limiter = outer[1] if outer is not None and outer[0] is app else app.threads
        (value,) = await to_thread.run_sync(work, limiter=limiter)
        return await value if inspect.iscoroutine(value) else value

    return invoke


def _with_injection(app: App, export: Export, invoke: Invoke) -> Invoke:
    binding = export.binding
    if not binding.leading and not binding.injected and binding.is_plain:
        return invoke
    sources: dict[str, Callable[[], Any]] = {
        "app": lambda: app,
        "request": current_request,
        "state": lambda: app.state(export.mod),
    }
    if binding.leading == ("app",) and not binding.injected and binding.is_plain:
        return partial(invoke, app)
    leading = [sources[kind] for kind in binding.leading]
    keywords = [(name, sources[kind]) for name, kind in binding.injected.items()]

    async def inject(*args: Any, **kwargs: Any) -> Any:
        if not binding.is_plain:
            args, kwargs = binding.bind_call(args, kwargs)
        found = {name: source() for name, source in keywords}
        return await invoke(*(source() for source in leading), *args, **{**kwargs, **found})

    return inject


def _with_compute(export: Export, invoke: Invoke) -> Invoke:
    pre, post, function = export.options.pre_compute, export.options.post_compute, export.function
    if pre is None and post is None:
        return invoke
    if pre is not None and next(iter(_parameters(pre)), "") in {"func", "function", "fn"}:
        pre = partial(pre, function)
    takes_arguments = post is not None and len(_parameters(post)) > 1

    async def call(*args: Any, **kwargs: Any) -> Any:
        answer = (args, kwargs) if pre is None else await _settled(pre(*args, **kwargs))
        result = await invoke(*answer[0], **answer[1])
        if post is None:
            return result
        more, named = ((function, *args), kwargs) if takes_arguments else ((), {})
        return await _settled(post(result, *more, **named))

    return call


def _parameters(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(function).parameters


async def _settled(answer: Any) -> Any:
    return await answer if inspect.isawaitable(answer) else answer


def failure(
    app: App, export: Export, error: BaseException, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Result[Any]:
    """Return the error result for what an export raised, and log what is not the caller's fault."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    if isinstance(error, TypeError):
        error = export.binding.mismatch(args, kwargs) or error
    if isinstance(error, PegboardError) and error.status < FIRST_SERVER_ERROR:
        return Result.from_error(error).set_origin(export.origin)
    result = _reported(app, export, error)
    result.__dict__["exception"] = error
    return result


def _reported(app: App, export: Export, error: BaseException) -> Result[Any]:
    error_id = os.urandom(4).hex()
    _logger.error("%s failed, error id %s", export.address, error_id, exc_info=error)
    app.count("calls_failed")
    if isinstance(error, (UnavailableError, MissingPluginError)):
        return Result.from_error(error).set_origin(export.origin)
    text = f"internal error, id {error_id}"
    if app.dev:
        text = f"{text}\n{''.join(traceback.format_exception(error))}"
    return Result.unexpected(text, {"error_id": error_id}).set_origin(export.origin)
