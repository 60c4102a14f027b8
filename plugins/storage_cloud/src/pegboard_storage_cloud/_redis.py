"""Redis and Valkey through redis-py: the only file that imports it.

One hash for each file, with its version (`v`), the versions before it (`p`), its content (`d`) and
a digest of that (`h`); and one sorted set with the paths of all files, for listing. A script
changes both at once. What is left of a removed file, its version, goes after a day.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import msgspec
import redis
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    NoPermissionError,
    OutOfMemoryError,
    RedisError,
)
from redis.retry import Retry

from pegboard.errors import ConfigError, CorruptError, UnavailableError
from pegboard_storage_cloud._frame import Frame, digest_of
from pegboard_storage_cloud._identity import ID, RECENT, REMEMBERED, WRITER
from pegboard_storage_cloud._lineage import conflict
from pegboard_storage_cloud._patience import REQUEST_SHARE, Patience
from pegboard_storage_cloud._remote import Applied, PathPage, Write

__all__ = ["RedisAccess", "RedisRemote"]

T = TypeVar("T")

REMOVAL = 86_400  # seconds for which a removal is remembered
CONNECT_TIMEOUT = 2.0
AFTER_ALL = b"\xff"

# keys: the file, the index; arguments: version, `any` or `is`, expected version, digest, path,
# seconds, and the content if there is any. Answers whether it was made, whether there was a file
# before, the version now, and those before it: as many as `remembered` leaves.
APPLY = f"""
local now, before = unpack(redis.call('HMGET', KEYS[1], 'v', 'p'))
local there = redis.call('HEXISTS', KEYS[1], 'd')
now, before = now or '', before or ''
local seen, spare = {{[string.sub(ARGV[1], 1, {WRITER})] = true}}, false
local known = now .. before
for at = 1, #known, {ID} do
    if string.sub(known, at, at + {ID - 1}) == ARGV[1] then return {{1, 1, now, before}} end
    local writer = string.sub(known, at, at + {WRITER - 1})
    if at > {ID * RECENT} and seen[writer] then spare = at end
    seen[writer] = true
end
if ARGV[2] == 'is' then
    if ARGV[3] == '' then
        if there == 1 then return {{0}} end
    elseif now ~= ARGV[3] then return {{0}} end
end
before = known
if #known > {ID * REMEMBERED} then
    spare = spare or #known - {ID - 1}
    before = string.sub(known, 1, spare - 1) .. string.sub(known, spare + {ID})
end
redis.call('HSET', KEYS[1], 'v', ARGV[1], 'p', before)
if ARGV[7] then
    redis.call('HSET', KEYS[1], 'd', ARGV[7], 'h', ARGV[4])
    redis.call('PERSIST', KEYS[1])
    redis.call('ZADD', KEYS[2], 0, ARGV[5])
else
    redis.call('HDEL', KEYS[1], 'd', 'h')
    redis.call('EXPIRE', KEYS[1], ARGV[6])
    redis.call('ZREM', KEYS[2], ARGV[5])
end
return {{1, there, ARGV[1], before}}
"""


class RedisAccess(msgspec.Struct, frozen=True, kw_only=True):
    """Where a server is, and who we are there.

    Attributes:
        url: Its address.
        username: Account, empty for that of the address.
        password: Its password, empty for that of the address.
    """

    url: str
    username: str = ""
    password: str = ""


class RedisRemote:
    """One database of a server.

    Args:
        access: Where it is.
        prefix: What the names of all keys begin with.
        durable: Whether the server writes to its disk before it answers.
        timeout: Seconds within which each call returns or raises.
        connections: Requests that are under way at once.

    Raises:
        ConfigError: If the address is none.
    """

    name = "redis"

    def __init__(
        self, access: RedisAccess, *, prefix: str, durable: bool, timeout: float, connections: int
    ) -> None:
        self.durable = durable
        self._timeout = timeout
        # the braces keep the file and the index on one node of a cluster
        self._files = f"{{{prefix}}}:file:"
        self._index = f"{{{prefix}}}:index"
        wait = timeout * REQUEST_SHARE
        named = {"username": access.username, "password": access.password}
        try:
            self._pool = redis.BlockingConnectionPool.from_url(
                access.url,
                **{name: value for name, value in named.items() if value},
                max_connections=connections,
                timeout=wait,
                socket_timeout=wait,
                socket_connect_timeout=min(CONNECT_TIMEOUT, wait / 2),
                retry=Retry(NoBackoff(), 0),
            )
        except ValueError as error:
            msg = f"plugins.storage_cloud.redis_url is no address of a Redis server: {error}"
            raise ConfigError(msg) from error
        self._client = redis.Redis(connection_pool=self._pool)
        self._apply = self._client.register_script(APPLY)

    def connect(self) -> None:
        """Find out whether the server would throw files away when its memory is full.

        Raises:
            ConfigError: If it would, or if it does not accept the credentials.
            UnavailableError: If it does not answer.
        """
        memory = self._call(lambda: self._client.info("memory"))
        policy = str(memory.get("maxmemory_policy", "noeviction"))
        if int(memory.get("maxmemory", 0)) and policy.startswith("allkeys"):
            raise ConfigError(
                f"the Redis server throws away any key when its memory is full ({policy}), so it "
                "can keep no files: set its maxmemory-policy to noeviction, or use another one"
            )

    def load(self, path: str) -> Frame | None:
        """Return the state of a file.

        Raises:
            CorruptError: If what is kept is not what was written.
            UnavailableError: If the server does not answer in time.
        """
        fields = self._in_time(path, lambda: self._client.hmget(self._files + path, *"vpdh"))
        version, before, data, digest = cast("list[bytes | None]", fields)
        if version is None:
            return None
        if data is not None and digest != digest_of(version, data):
            msg = f"key {self._files}{path} is damaged: put a copy of it back"
            raise CorruptError(msg)
        return Frame(version=version.decode(), data=data, ancestors=_split(before or b""))

    def apply(self, path: str, write: Write) -> Applied:
        """Make a change in a script.

        Raises:
            ConflictError: If the file has another version than expected.
            CorruptError: If others have written since, and what is kept is not what they wrote.
            UnavailableError: If the server does not answer in time.
        """
        keys = [self._files + path, self._index]
        arguments = _arguments(path, write)
        answer = self._in_time(path, lambda: self._apply(keys=keys, args=arguments))
        made, *rest = cast("list[Any]", answer)
        if not made:
            raise conflict(path, write)
        replaced, version, before = rest
        now = version.decode()
        if now == write.version:
            frame = Frame(version=now, data=write.data, ancestors=_split(before))
        else:  # made earlier, and others have written since: what is there is theirs
            frame = self.load(path) or Frame(version=now, data=None)
        return Applied(frame=frame, replaced=bool(replaced))

    def list(self, below: str, *, after: str, limit: int) -> PathPage:
        """Return paths of files that are there.

        Raises:
            UnavailableError: If the server does not answer in time.
        """
        first = b"(" + after.encode() if after >= below and after else b"[" + below.encode()
        last = b"[" + below.encode() + AFTER_ALL
        found = self._in_time(
            below, lambda: self._client.zrangebylex(self._index, first, last, 0, limit + 1)
        )
        paths = [each.decode() for each in cast("list[bytes]", found)]
        return PathPage(paths=paths[:limit], cursor=paths[limit - 1] if len(paths) > limit else "")

    def _in_time(self, path: str, function: Callable[[], T]) -> T:
        patience = Patience(self._timeout)
        while True:
            patience.admit(path)
            try:
                return self._call(function)
            except UnavailableError as error:
                patience.excuse(error)

    def _call(self, function: Callable[[], T]) -> T:
        """Call redis-py and tell what became of it in our terms."""
        try:
            return function()
        except (AuthenticationError, AuthorizationError, NoPermissionError) as error:
            raise ConfigError(
                f"the Redis server refuses the credentials ({error}): set "
                "plugins.storage_cloud.redis_url, or redis_username and redis_password"
            ) from error
        except OutOfMemoryError as error:
            raise UnavailableError("the Redis server is full: give it more memory") from error
        except RedisError as error:
            raise UnavailableError(f"the Redis server does not answer: {error}") from error

    def close(self) -> None:
        """Close all connections."""
        self._client.close()
        self._pool.disconnect()


def _arguments(path: str, write: Write) -> list[bytes | str | int]:
    kind = "any" if write.expected is None else "is"
    digest = b"" if write.data is None else digest_of(write.version.encode(), write.data)
    expected = write.expected or ""
    arguments: list[bytes | str | int] = [write.version, kind, expected, digest, path, REMOVAL]
    return arguments if write.data is None else [*arguments, write.data]


def _split(ids: bytes) -> tuple[str, ...]:
    text = ids.decode()
    return tuple(text[start : start + ID] for start in range(0, len(text), ID))
