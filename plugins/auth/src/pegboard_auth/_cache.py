"""Sessions that were looked up, good until a change says otherwise. No I/O."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pegboard import Session
    from pegboard_auth._credential import Credential

__all__ = ["Known", "SessionCache"]


class Known:
    """A session that is known.

    Attributes:
        session: The session.
        subjects: The account, session and key that it hangs on.
        expires_at: When it ends, seconds since 1970.
        renew_at: When its cookie is to be replaced by a fresh one, never for other credentials.
        scopes: What it may call, empty for all.
    """

    __slots__ = ("expires_at", "renew_at", "scopes", "session", "subjects")

    def __init__(
        self,
        session: Session,
        subjects: Collection[str],
        *,
        expires_at: float,
        renew_at: float,
        scopes: tuple[str, ...],
    ) -> None:
        self.session = session
        self.subjects = subjects
        self.expires_at = expires_at
        self.renew_at = renew_at
        self.scopes = scopes


class SessionCache:
    """What is known of the credentials that were shown lately.

    Args:
        size: Most that are kept; beyond, the one that came first is forgotten.
    """

    __slots__ = ("_known", "_size", "get")

    def __init__(self, size: int) -> None:
        self._known: OrderedDict[Credential, Known] = OrderedDict()
        self._size = size
        self.get = self._known.get

    def put(self, credential: Credential, known: Known) -> None:
        """Remember."""
        self._known[credential] = known
        if len(self._known) > self._size:
            self._known.popitem(last=False)

    def forget(self, subjects: Collection[str]) -> None:
        """Forget whatever hangs on one of these accounts, sessions or keys."""
        changed = frozenset(subjects)
        gone = [
            each for each, known in self._known.items() if not changed.isdisjoint(known.subjects)
        ]
        for each in gone:
            del self._known[each]

    def clear(self) -> None:
        """Forget everything."""
        self._known.clear()

    def __len__(self) -> int:
        return len(self._known)
