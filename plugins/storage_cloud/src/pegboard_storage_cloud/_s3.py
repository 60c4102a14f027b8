"""S3-compatible services through obstore: the only file that imports it.

One object for each file. It is replaced by conditional requests (`If-Match`, `If-None-Match`) and
never removed: a removed file is an object without content, see `_frame`. obstore's own retries are
off, since it would take the refusal of a repeated request for one of the first. Where the service
ignores conditions, callers see to it that a file has one writer at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import S3Store

from pegboard.contracts.storage import ABSENT
from pegboard.errors import ConfigError, UnavailableError
from pegboard_storage_cloud._frame import (
    REMOVED_SIZE,
    Frame,
    decode_frame,
    encode_frame,
)
from pegboard_storage_cloud._lineage import is_made, successor
from pegboard_storage_cloud._memory import Held, Memory
from pegboard_storage_cloud._patience import REQUEST_SHARE, Patience
from pegboard_storage_cloud._remote import Applied, PathPage, Write

if TYPE_CHECKING:
    from obstore import PutMode

__all__ = ["S3Access", "S3Remote"]

T = TypeVar("T")

REMEMBERED = 10_000  # files whose entity tag is
CONNECT_TIMEOUT = 2.0
PROBE = "=probe"  # an object that stays: it is no path of a file, and too small for one


class S3Access(msgspec.Struct, frozen=True, kw_only=True):
    """Where a bucket is, and who we are there.

    Attributes:
        bucket: Name of the bucket.
        options: Further settings by obstore's names: `endpoint`, `region`, credentials.
    """

    bucket: str
    options: dict[str, Any]


class _RefusedError(Exception):
    """A condition did not hold, or somebody else writes at the same time."""


class S3Remote:
    """One bucket.

    Args:
        access: Where it is.
        prefix: What the names of all objects begin with.
        shared: Whether other processes may write as well.
        timeout: Seconds within which each call returns or raises.
    """

    name = "s3"
    durable = True

    def __init__(self, access: S3Access, *, prefix: str, shared: bool, timeout: float) -> None:
        self._bucket = access.bucket
        self._prefix = prefix.strip("/") + "/"
        self._shared = shared
        self._timeout = timeout
        self._keeps_conditions = True
        self._store = S3Store(
            access.bucket,
            **access.options,
            client_options={
                "allow_http": True,
                "connect_timeout": timedelta(seconds=min(CONNECT_TIMEOUT, timeout / 4)),
                "timeout": timedelta(seconds=timeout * REQUEST_SHARE),
            },
            retry_config={"max_retries": 0},
        )
        self._memory = Memory(REMEMBERED)

    def connect(self) -> None:
        """Ask for writes on conditions that do not hold, which the service has to refuse.

        Raises:
            ConfigError: If it does not refuse and others may write as well, if there is no such
                bucket, or if the credentials are not accepted.
            UnavailableError: If it does not answer.
        """
        self._refuses(PROBE, "create")  # there is one from now on
        refusals = [self._refuses(PROBE, "create"), self._refuses(PROBE, {"e_tag": '"0"'})]
        self._keeps_conditions = all(refusals)
        if self._shared and not self._keeps_conditions:
            raise ConfigError(
                f"the S3 service of bucket {self._bucket} ignores conditions, so writers would "
                "overwrite one another unseen: use one that keeps If-Match and If-None-Match, "
                "or, where a single process writes, set plugins.storage_cloud.shared = false"
            )

    def _refuses(self, path: str, mode: PutMode) -> bool:
        try:
            self._put(path, b"probe", mode)
        except _RefusedError:
            return True
        return False

    def load(self, path: str) -> Frame | None:
        """Return the state of a file.

        Raises:
            CorruptError: If what is kept is not what was written.
            UnavailableError: If the service does not answer in time.
        """
        held = self._load(path, Patience(self._timeout))
        return None if held is None else held.frame

    def apply(self, path: str, write: Write) -> Applied:
        """Make a change by a conditional request.

        Raises:
            ConflictError: If the file has another version than expected.
            CorruptError: If what is kept is not what was written.
            UnavailableError: If the service does not answer in time.
        """
        patience = Patience(self._timeout)
        held = self._present(path, write, patience)
        while True:
            present = None if held is None else held.frame
            if present is not None and is_made(present, write):
                return Applied(frame=present, replaced=True)
            applied = successor(path, present, write)
            if self._is_replaced(path, held, applied.frame, patience):
                return applied
            patience.pause()
            held = self._load(path, patience)

    def _present(self, path: str, write: Write, patience: Patience) -> Held | None:
        """Return the present state, from memory where a refusal would tell if it is an old one.

        What was made already is no case for the memory: it has no content to answer with.
        """
        known = self._memory.get(path) if self._keeps_conditions else None
        if known is not None and is_made(known.frame, write):
            return self._load(path, patience)
        if known is not None and write.expected in {None, known.frame.version}:
            return known
        if write.expected == ABSENT and self._keeps_conditions:
            return None
        return self._load(path, patience)

    def _is_replaced(self, path: str, held: Held | None, frame: Frame, patience: Patience) -> bool:
        """Put a state in place of another; False if that is no longer there, or not for certain."""
        patience.admit(path)
        try:
            tag = self._put(path, encode_frame(frame), self._condition(held))
        except _RefusedError:
            self._memory.drop(path)
            return False
        except UnavailableError as error:
            self._memory.drop(path)
            patience.excuse(error)
            return False
        self._memory.put(path, Held(frame, tag))
        return True

    def _condition(self, held: Held | None) -> PutMode:
        if not self._keeps_conditions:
            return "overwrite"
        return "create" if held is None else {"e_tag": held.tag}

    def _load(self, path: str, patience: Patience) -> Held | None:
        while True:
            patience.admit(path)
            try:
                found = self._call(self._get, path)
            except UnavailableError as error:
                patience.excuse(error)
            else:
                break
        if found is None:
            self._memory.drop(path)
            return None
        raw, tag = found
        held = Held(decode_frame(raw, f"object {self._prefix}{path} of bucket {self._bucket}"), tag)
        self._memory.put(path, held)
        return held

    def _get(self, store: S3Store, path: str) -> tuple[bytes, str | None] | None:
        try:
            result = obstore.get(store, path)
        except FileNotFoundError as error:
            if "NoSuchBucket" in str(error):
                raise
            return None
        return bytes(result.bytes()), result.meta["e_tag"]

    def _put(self, path: str, raw: bytes, mode: PutMode) -> str | None:
        result = self._call(obstore.put, path, raw, mode=mode, use_multipart=False)
        return result["e_tag"]

    def list(self, below: str, *, after: str, limit: int) -> PathPage:
        """Return paths of objects that hold content.

        Raises:
            UnavailableError: If the service does not answer in time.
        """
        patience = Patience(self._timeout)
        while True:
            patience.admit(below)
            try:
                return self._call(self._list, below, patience, after=after, limit=limit)
            except UnavailableError as error:
                patience.excuse(error)

    def _list(
        self, store: S3Store, below: str, patience: Patience, *, after: str, limit: int
    ) -> PathPage:
        start = self._prefix + after if after else None
        paths: list[str] = []
        for batch in obstore.list(store, below, offset=start, chunk_size=limit + 1):
            for each in batch:
                if each["size"] > REMOVED_SIZE:
                    paths.append(each["path"].removeprefix(self._prefix))
                if len(paths) > limit:
                    return PathPage(paths=paths[:limit], cursor=paths[limit - 1])
            if patience.is_over:  # where much was removed: the caller goes on from here
                return PathPage(paths=paths, cursor=batch[-1]["path"].removeprefix(self._prefix))
        return PathPage(paths=paths)

    def _call(self, function: Callable[..., T], path: str, *args: Any, **options: Any) -> T:
        """Call obstore, or something that does, and tell what became of it in our terms."""
        try:
            return function(self._store, self._prefix + path, *args, **options)
        except (AlreadyExistsError, PreconditionError) as error:
            raise _RefusedError from error
        except (PermissionDeniedError, UnauthenticatedError) as error:
            raise ConfigError(
                f"the S3 service refuses the credentials for bucket {self._bucket}: set "
                "plugins.storage_cloud.s3_access_key_id and s3_secret_access_key, or the "
                "environment or profile that they come from"
            ) from error
        except FileNotFoundError as error:
            raise ConfigError(f"there is no bucket {self._bucket}: create it") from error
        except BaseError as error:
            raise UnavailableError(
                f"the S3 service of bucket {self._bucket} does not answer: {_reason(error)}"
            ) from error

    def close(self) -> None:
        """Do nothing: obstore ends its connections by itself."""


def _reason(error: BaseError) -> str:
    """Return the first line, without the address, which may hold more than others should see."""
    line = str(error).partition("\n")[0]
    return line.rpartition(" - ")[2]
