"""The settings of `[plugins.storage_cloud]`."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

__all__ = ["StorageCloudConfig"]

Seconds = Annotated[float, msgspec.Meta(gt=0, le=3600)]
Bytes = Annotated[int, msgspec.Meta(ge=0, le=1_099_511_627_776)]


class StorageCloudConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What can be set.

    Attributes:
        service: What `backend="cloud"` means: `s3`, `redis`, or `auto` for S3 if there is a bucket,
            else Redis.
        prefix: What the names of all objects and keys begin with.
        shared: Whether several processes may write. An S3 service that ignores conditions is
            refused then; with `false` it may be used, by one process.
        timeout: Seconds that a service has for what one call asks of it. A call returns or raises
            within three times that: it may have to wait for others, and to send what waits first.
        connections: Connections to Redis at once.
        max_size: Bytes of the longest file.
        outbox: Whether writes are kept here, to be sent later, while the service is away.
        outbox_bytes: Bytes that wait at most; more writes are refused.
        stale_reads: Whether reads give the last copy known while the service is away.
        copies_bytes: Bytes of such copies; the oldest go first.
        retry_pause: Seconds after which a service that is away is tried again; doubles up to
            `retry_pause_max`.
        retry_pause_max: The longest such pause.
        s3_bucket: Bucket for the files. It has to exist.
        s3_endpoint: Address of the service, such as `https://s3.example.org`; `https://` may be
            left out. Empty for that of `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL`, else Amazon's.
        s3_region: Region; empty for that of the environment or profile, else `us-east-1`.
        s3_profile: Profile of `~/.aws`; empty for that of `AWS_PROFILE`, else `default`.
        s3_access_key_id: Name of the key; empty for that of the environment, the profile, or the
            role of the machine.
        s3_secret_access_key: The key.
        s3_session_token: Token of temporary credentials.
        s3_virtual_hosts: Whether the bucket is part of the host name.
        redis_url: Address such as `redis://localhost:6379/0` or `rediss://...` for TLS; empty for
            that of `REDIS_URL`.
        redis_username: Account; empty for that of the address.
        redis_password: Its password; empty for that of the address.
        redis_durable: Whether the server writes to its disk before it answers: `appendonly yes`
            and `appendfsync always`. Otherwise it may forget its last second when its machine
            fails.
    """

    service: Literal["auto", "s3", "redis"] = "auto"
    prefix: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9._/-]{1,100}$")] = "pegboard"
    shared: bool = True
    timeout: Seconds = 5.0
    connections: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 32
    max_size: Annotated[int, msgspec.Meta(ge=1, le=5_000_000_000)] = 64 * 1024 * 1024
    outbox: bool = True
    outbox_bytes: Bytes = 1024 * 1024 * 1024
    stale_reads: bool = True
    copies_bytes: Bytes = 256 * 1024 * 1024
    retry_pause: Seconds = 0.5
    retry_pause_max: Seconds = 5.0
    s3_bucket: str = ""
    s3_endpoint: str = ""
    s3_region: str = ""
    s3_profile: str = ""
    s3_access_key_id: str = ""
    s3_secret_access_key: str = ""
    s3_session_token: str = ""
    s3_virtual_hosts: bool = False
    redis_url: str = ""
    redis_username: str = ""
    redis_password: str = ""
    redis_durable: bool = False
