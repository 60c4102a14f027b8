"""Who asks: the user on whose behalf a file is read or written."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

import msgspec

from pegboard import RequestData, Session, call_context, current_session
from pegboard.errors import InputError

__all__ = ["UserContext", "get_current_context", "set_current_context"]

SYSTEM = "system"


class UserContext(msgspec.Struct, frozen=True, kw_only=False):
    """A user, as far as rules need to know them.

    Attributes:
        user_id: Stable identity; means something only with `is_authenticated`.
        session_id: Identity of the session.
        cloudm_user_id: Identity at the account service, where that is another one.
        is_authenticated: Whether it is known to be that user.
        is_admin: Whether it is an administrator.
        roles: Names of roles, for mods.
        is_server: Whether it is the server itself; no session of a user ever is.
    """

    user_id: str = SYSTEM
    session_id: str = ""
    cloudm_user_id: str = ""
    is_authenticated: bool = False
    is_admin: bool = False
    roles: tuple[str, ...] = ()
    is_server: bool = False

    @classmethod
    def from_request(cls, request: RequestData) -> UserContext:
        """Return who sent a request."""
        return cls.from_session(request.session)

    @classmethod
    def from_session(cls, session: Session) -> UserContext:
        """Return whose session this is; anonymous unless a known user was validated."""
        user = session.user_id or session.cloudm_user_id
        if session.anonymous or not session.validated or not user:
            return cls.anonymous()
        roles = session.get("roles") or ()
        return cls(
            user_id=user,
            session_id=session.session_id,
            cloudm_user_id=session.cloudm_user_id,
            is_authenticated=True,
            is_admin=session.is_admin,
            roles=tuple(map(str, roles)),
        )

    @classmethod
    def system(cls) -> UserContext:
        """Return the server itself, which may do everything."""
        return cls(user_id=SYSTEM, is_authenticated=True, is_admin=True, is_server=True)

    @classmethod
    def anonymous(cls) -> UserContext:
        """Return nobody known."""
        return _ANONYMOUS

    def __str__(self) -> str:
        if self.is_server:
            return "the server"
        return f"user {self.user_id!r}" if self.is_authenticated else "nobody signed in"


_ANONYMOUS = UserContext(user_id="")

_override: ContextVar[tuple[object, UserContext]] = ContextVar("pegboard_storage_user")
"""What `set_current_context` was given, with the call that it was given in.

It counts in that call only. Whoever calls an export in process would otherwise go on as the user
that the export has set.
"""


def set_current_context(context: UserContext | RequestData | Session | None) -> None:
    """Say on whose behalf this call reads and writes, instead of for whom it runs; None undoes it.

    It holds for the call that runs, and in the tasks and threads that it starts from then on;
    outside a call, for the task or thread.

    Raises:
        InputError: If it is none of these.
    """
    user = get_session_user() if context is None else user_of(context)
    _override.set((call_context.get(None), user))


def get_current_context() -> UserContext:
    """Return on whose behalf files are read and written here; anonymous where nobody said."""
    override = _override.get(None)
    if override is not None and override[0] is call_context.get(None):
        return override[1]
    return get_session_user()


def get_session_user() -> UserContext:
    """Return for whom the call runs that is running."""
    return UserContext.from_session(current_session())


def user_of(context: Any) -> UserContext:
    """Return who a request, a session or a context stands for.

    Raises:
        InputError: If it is none of these.
    """
    if isinstance(context, UserContext):
        return context
    if isinstance(context, Session):
        return UserContext.from_session(context)
    session = getattr(context, "session", None)  # a request of the kernel, or one that looks so
    if isinstance(session, Session):
        return UserContext.from_session(session)
    raise InputError(
        f"{type(context).__name__} says nothing about a user: pass a request, a session"
    )
