"""Which contenders there are, and how one is loaded."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One way to do the work; ``module`` is imported only in the process that measures it."""

    name: str
    module: str
    distributions: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Return the name of its file, by which a child process finds it in ``ALL``."""
        return self.module.rpartition(".")[2]

    def missing(self) -> list[str]:
        """Return the distributions that are not installed here."""
        return [name for name in self.distributions if _version(name) is None]

    def load(self) -> ModuleType:
        """Import the module."""
        return import_module(self.module)

    def open(self, factory: str) -> AbstractAsyncContextManager[Any]:
        """Import the module and call its function ``factory``."""
        opened: AbstractAsyncContextManager[Any] = getattr(self.load(), factory)()
        return opened


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def installed() -> dict[str, str]:
    """Return the versions of all that is measured here, servers and loops included."""
    names = [name for contender in ALL.values() for name in contender.distributions]
    found = {name: _version(name) for name in [*names, *SERVERS]}
    return {name: number for name, number in found.items() if number is not None}


def _contender(name: str, module: str, *distributions: str) -> Contender:
    path = f"benchmarks.contenders.{module}"
    return Contender(name=name, module=path, distributions=distributions)


SERVERS = ("uvicorn", "httptools", "uvloop", "websockets", "hypercorn", "h11", "wsproto")
_PEGBOARD = ("pegboard", "pegboard-transport-http")

HTTP = (
    _contender("nothing", "nothing"),
    _contender("bare", "bare", "msgspec"),
    _contender("pegboard", "pegboard", *_PEGBOARD),
    _contender("blacksheep", "blacksheep", "blacksheep"),
    _contender("starlette", "starlette", "starlette"),
    _contender("litestar", "litestar", "litestar"),
    _contender("fastapi", "fastapi", "fastapi", "pydantic"),
)
SERVED = (
    *HTTP,
    _contender(
        "pegboard serve",
        "pegboard_serve",
        *_PEGBOARD,
        "pegboard-server-uvicorn",
        "pegboard-server-hypercorn",
    ),
)
SOCKET = (
    _contender("bare", "socket_bare", "msgspec"),
    _contender("pegboard", "socket_pegboard", "pegboard", "pegboard-transport-ws"),
    _contender("starlette", "socket_starlette", "starlette"),
)
CALL = (
    _contender("direct await", "call_direct"),
    _contender("pluggy hook", "call_pluggy", "pluggy"),
    _contender("pegboard slot", "call_pegboard_slot", "pegboard"),
    _contender("pegboard app.call", "call_pegboard", "pegboard"),
    _contender("pegboard app.call in a call", "call_pegboard_nested", "pegboard"),
)
CACHE = (
    _contender("no cache", "cache_none", "pegboard"),
    _contender("cachetools @cached (sync)", "cache_cachetools", "cachetools"),
    _contender("cashews @cache", "cache_cashews", "cashews"),
    _contender("pegboard memory_cache", "cache_pegboard", "pegboard", "pegboard-caching"),
)
CLOUD_S3 = (
    _contender("pegboard on S3", "cloud_pegboard_s3", "pegboard-storage-cloud", "obstore"),
    _contender("obstore", "cloud_obstore", "obstore"),
    _contender("boto3", "cloud_boto3", "boto3"),
    _contender("aiobotocore", "cloud_aiobotocore", "aiobotocore"),
)
CLOUD_REDIS = (
    _contender("pegboard on Redis", "cloud_pegboard_redis", "pegboard-storage-cloud", "redis"),
    _contender("redis-py", "cloud_redis", "redis"),
)
SESSION = (
    _contender("pegboard nothing", "session_nothing", "pegboard", "pegboard-auth"),
    _contender("pegboard cookie", "session_cookie", "pegboard", "pegboard-auth"),
    _contender("pegboard bearer", "session_bearer", "pegboard", "pegboard-auth"),
    _contender("pegboard API key", "session_key", "pegboard", "pegboard-auth"),
    _contender("itsdangerous cookie", "session_itsdangerous", "itsdangerous"),
    _contender("PyJWT bearer", "session_pyjwt", "pyjwt"),
)
LOCK = (
    _contender("flock by hand", "lock_flock"),
    _contender("pegboard LockFolder", "lock_pegboard", "pegboard-locking"),
)
DURABLE = (
    _contender("pegboard, SQLite", "jobs_pegboard", "pegboard-jobs"),
    _contender("pegboard, PostgreSQL", "jobs_pegboard", "pegboard-jobs", "psycopg"),
    _contender("procrastinate, PostgreSQL", "jobs_procrastinate", "procrastinate", "psycopg"),
)
_GROUPS = (DURABLE, SERVED, SOCKET, CALL, CACHE, LOCK, CLOUD_S3, CLOUD_REDIS, SESSION)
ALL = {contender.key: contender for group in _GROUPS for contender in group}
