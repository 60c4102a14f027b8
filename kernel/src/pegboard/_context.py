"""What is known about the call that is running: app, session and request.

One context variable holds all of it. It follows the call into tasks and worker threads, and two
requests at once never see one another's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from pegboard._request import ANONYMOUS, Request, RequestData, Session

if TYPE_CHECKING:
    from anyio import CapacityLimiter

    from pegboard._app import App

__all__ = [
    "CallContext",
    "SessionNote",
    "call_context",
    "current_app",
    "current_request",
    "current_session",
    "entered",
    "noting_session",
]


T = TypeVar("T")


class CallContext(msgspec.Struct):
    """The surroundings of one call.

    Attributes:
        app: The app that the call runs in.
        session: Who asks; `ANONYMOUS` if nobody said.
        scope: ASGI scope of the request, None for a call in process.
        form_data: Decoded form of the request.
        body: Decoded body of the request.
    """

    app: Any
    session: Session = ANONYMOUS
    scope: Any = None
    form_data: dict[str, Any] | None = None
    body: Any = None
    _request: RequestData | None = None

    @property
    def request(self) -> RequestData | None:
        """The request, read from the scope when it is first asked for."""
        if self._request is None and self.scope is not None:
            request = Request.from_scope(self.scope)
            request.form_data, request.body = self.form_data, self.body
            self._request = RequestData(request, self.session)
        return self._request


nested_threads: ContextVar[tuple[App, CapacityLimiter] | None] = ContextVar(
    "pegboard_nested_threads", default=None
)
"""In a worker thread of an app: what limits the threads of calls that it waits for.

The thread keeps its place among those of the app while it waits. If what it waits for needed a
place as well, a few of them would wait for one another for good.
"""


@contextmanager
def holding(variable: ContextVar[T], value: T) -> Iterator[T]:
    """Let a context variable have a value in the block, and in the tasks that it starts."""
    token = variable.set(value)
    try:
        yield value
    finally:
        variable.reset(token)


call_context: ContextVar[CallContext] = ContextVar("pegboard_call")
"""What is known about the running call; whoever sets it resets it when the call has ended."""


def current_app() -> App:
    """Return the app of the running call.

    Raises:
        LookupError: Outside a call.
    """
    app: App = call_context.get().app
    return app


class SessionNote(msgspec.Struct):
    """Whether it was asked on whose behalf something runs.

    Attributes:
        is_read: Whether it was.
    """

    is_read: bool = False


_note: ContextVar[SessionNote | None] = ContextVar("pegboard_session_note", default=None)


@contextmanager
def noting_session() -> Iterator[SessionNote]:
    """Yield a note of whether the block, or what it calls, asks for the session or the request.

    For what shares answers among callers: one that depends on who asks is for them alone.
    """
    outer, note = _note.get(), SessionNote()
    with holding(_note, note):
        try:
            yield note
        finally:
            if outer is not None and note.is_read:
                outer.is_read = True


def current_request() -> RequestData | None:
    """Return the request that the running call serves, None outside one."""
    _take_note()
    context = call_context.get(None)
    return None if context is None else context.request


def current_session() -> Session:
    """Return who asks; `ANONYMOUS` where nobody said, also outside a call."""
    _take_note()
    context = call_context.get(None)
    return ANONYMOUS if context is None else context.session


def current_context() -> CallContext | None:
    """Return the surroundings of the running call, None outside one."""
    return call_context.get(None)


def _take_note() -> None:
    note = _note.get()
    if note is not None:
        note.is_read = True


def entered(app: App, request: RequestData | None = None) -> AbstractContextManager[CallContext]:
    """Run the block as a call of `app`, on behalf of `request` if there is one.

    For tests, command lines and plugins that bring calls from elsewhere.
    """
    session = ANONYMOUS if request is None else request.session
    return holding(call_context, CallContext(app, session, _request=request))
