"""Where the services are and who we are there: from settings, environment and profiles."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pegboard.errors import ConfigError
from pegboard_storage_cloud._profile import read_profile
from pegboard_storage_cloud.config import StorageCloudConfig

if TYPE_CHECKING:
    from pegboard_storage_cloud._remote import Remote

__all__ = ["chosen_service", "configured_services", "open_remote", "s3_options"]

DEFAULT_REGION = "us-east-1"
CREDENTIALS = ("access_key_id", "secret_access_key", "session_token")
LOOPBACK = frozenset({"127.0.0.1", "localhost"})
EXTRAS = {"obstore": "s3", "redis": "redis"}
"""What a missing module is installed with."""


def configured_services(settings: StorageCloudConfig, environ: Mapping[str, str]) -> list[str]:
    """Return the services that there is an address for."""
    has = {"s3": settings.s3_bucket, "redis": settings.redis_url or environ.get("REDIS_URL")}
    return [name for name, where in has.items() if where]


def chosen_service(backend: str, settings: StorageCloudConfig, services: list[str]) -> str:
    """Return the service that a backend means.

    Raises:
        ConfigError: If there is no such service.
    """
    wanted = settings.service if backend == "cloud" else backend
    if wanted == "auto" and services:
        return "s3" if "s3" in services else services[0]
    if wanted in services:
        return wanted
    missing = {"s3": "s3_bucket", "redis": "redis_url"}.get(wanted, "s3_bucket or redis_url")
    raise ConfigError(f'backend "{backend}" needs plugins.storage_cloud.{missing}')


def s3_options(
    settings: StorageCloudConfig, environ: Mapping[str, str], home: Path
) -> dict[str, Any]:
    """Return the options of the S3 client: settings win over the environment, that over profiles.

    Where nobody names credentials, none are in the answer, and the client asks the machine's role.

    Raises:
        ConfigError: If a profile is named that is not there, or half of a key is given.
    """
    name = settings.s3_profile or environ.get("AWS_PROFILE") or "default"
    profile = read_profile(name, environ, home)
    if settings.s3_profile and not profile:
        raise ConfigError(f"plugins.storage_cloud.s3_profile: there is no profile {name!r}")
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
    endpoint = environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL")
    address = settings.s3_endpoint or endpoint or profile.get("endpoint_url")
    options: dict[str, Any] = {
        "region": settings.s3_region or region or profile.get("region") or DEFAULT_REGION,
        "endpoint": None if address is None else _with_scheme(address),
        "virtual_hosted_style_request": settings.s3_virtual_hosts,
        **_credentials(settings, environ, profile),
    }
    return {key: value for key, value in options.items() if value is not None}


def _with_scheme(address: str) -> str:
    """Return an address that says how to speak: `host:port` alone means TLS, but on this machine.

    So it stands in a `tb-manifest.yaml`.
    """
    if "://" in address:
        return address
    host = address.partition(":")[0]
    return f"http://{address}" if host in LOOPBACK else f"https://{address}"


def _credentials(
    settings: StorageCloudConfig, environ: Mapping[str, str], profile: Mapping[str, str]
) -> dict[str, str]:
    named = {name: getattr(settings, f"s3_{name}") for name in CREDENTIALS}
    surrounding = {name: environ.get(f"AWS_{name.upper()}", "") for name in CREDENTIALS}
    kept = {name: profile.get(f"aws_{name}", "") for name in CREDENTIALS}
    # a profile that the settings name is meant, whatever the environment says
    for source in (named, kept, surrounding) if settings.s3_profile else (named, surrounding, kept):
        given = {name: value for name, value in source.items() if value}
        if ("access_key_id" in given) != ("secret_access_key" in given):
            raise ConfigError("credentials for S3 need both a key id and a secret key")
        if "access_key_id" in given:
            return given
    return {}


def open_remote(
    name: str, settings: StorageCloudConfig, environ: Mapping[str, str], home: Path
) -> tuple[Remote, str]:
    """Return a service, and what tells it from others; nothing is asked of it yet.

    Raises:
        ConfigError: If a setting is wrong, or the library for it is not installed.
    """
    try:
        if name == "s3":
            return _open_s3(settings, s3_options(settings, environ, home))
        return _open_redis(settings, settings.redis_url or environ.get("REDIS_URL", ""))
    except ModuleNotFoundError as error:
        extra = EXTRAS.get(error.name or "")
        if extra is None:
            raise
        msg = f"backend {name!r} needs {error.name}: pip install 'pegboard-storage-cloud[{extra}]'"
        raise ConfigError(msg) from error


def _open_s3(settings: StorageCloudConfig, options: dict[str, Any]) -> tuple[Remote, str]:
    from pegboard_storage_cloud._s3 import S3Access, S3Remote

    remote = S3Remote(
        S3Access(bucket=settings.s3_bucket, options=options),
        prefix=settings.prefix,
        shared=settings.shared,
        timeout=settings.timeout,
    )
    where = options.get("endpoint", "amazonaws.com")
    return remote, f"s3 {where} {settings.s3_bucket} {settings.prefix}"


def _open_redis(settings: StorageCloudConfig, url: str) -> tuple[Remote, str]:
    from pegboard_storage_cloud._redis import RedisAccess, RedisRemote

    remote = RedisRemote(
        RedisAccess(url=url, username=settings.redis_username, password=settings.redis_password),
        prefix=settings.prefix,
        durable=settings.redis_durable,
        timeout=settings.timeout,
        connections=settings.connections,
    )
    place = urlsplit(url)
    where = f"{place.scheme}://{place.hostname}:{place.port or 6379}{place.path}"
    return remote, f"redis {where} {settings.prefix}"
