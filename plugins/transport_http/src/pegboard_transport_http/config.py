"""The settings of `[plugins.transport_http]`."""

from __future__ import annotations

from typing import Annotated

import msgspec

__all__ = ["HttpSettings"]

KIB = 1024
MIB = 1024 * KIB

Size = Annotated[int, msgspec.Meta(ge=0)]
Count = Annotated[int, msgspec.Meta(ge=1)]
Seconds = Annotated[float, msgspec.Meta(gt=0)]


class HttpSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What can be set about HTTP. Sizes are bytes, durations seconds.

    Attributes:
        max_body: Largest multipart body; more is answered with 413.
        max_memory_body: Largest body of any other type, and largest sum of the fields of a
            multipart body; the small files of that come on top, see `spool`.
        max_fields: Most fields of a query, or of an urlencoded form.
        max_parts: Most fields and files of one form.
        max_files: Most files of one form; each large one is an open descriptor.
        max_part_headers: Most headers of one part.
        max_part_header: Largest header line of one part.
        max_field: Largest field of a form.
        max_filename: Longest file name of an upload, in bytes.
        spool: Largest uploaded file that stays in memory.
        upload_folder: Folder for uploads while their call runs; that of the system by default.
        body_timeout: Time that a client may be silent, or below `min_body_rate`, while it sends
            a body; more is answered with 408.
        min_body_rate: Bytes per second that a body has to come in with, on average, once
            `body_timeout` has passed; 0 is no minimum.
        send_timeout: Time that a client may take to accept the next part of a response; for small
            answers it is that of `[serve]`.
        heartbeat: Time between comments on a silent event stream, which tell proxies and clients
            that it lives.
        retry: Time after which the clients of an event stream shall come back when the server
            stops, or has too many streams.
        close_timeout: Time that generators and their clean-up get to end.
        max_streams: Streams that are open at once; more are refused with 503.
        max_streams_per_client: The same for one client address, with 429; 0 for no such limit:
            behind a proxy all clients have the proxy's address.
        stream_threads: Most plain generators that run at once, each in a worker thread.
        compress_from: Smallest body that is compressed; None compresses nothing.
        compress_level: Level of gzip, from 1 (fast) to 9 (small).
        site: Whether the index page, the API explorer and `/openapi.json` are served.
        allowed_hosts: Names, without port, under which clients reach this server, such as
            `example.org`; none for any. A page whose name was made to lead here (DNS rebinding)
            is refused only with such a list; whoever asks `/health` by address needs to be in it.
        cors_origins: Origins whose pages may call, such as `https://example.org`; `*` for all.
        cors_methods: Methods that those pages may use.
        cors_headers: Request headers that they may send; `*` for all.
        cors_expose: Response headers that they may read.
        cors_credentials: Whether cookies may come along; not together with the origin `*`.
        cors_max_age: Time that a browser may remember the answer to a preflight request.
    """

    max_body: Size = 100 * MIB
    max_memory_body: Size = 10 * MIB
    max_fields: Count = 1000
    max_parts: Count = 1000
    max_files: Count = 100
    max_part_headers: Count = 16
    max_part_header: Count = 2 * KIB
    max_field: Size = 1 * MIB
    max_filename: Count = 1024
    spool: Size = 256 * KIB
    upload_folder: str | None = None
    body_timeout: Seconds = 30.0
    min_body_rate: Size = 1 * KIB
    send_timeout: Seconds = 60.0
    heartbeat: Seconds = 15.0
    retry: Seconds = 3.0
    close_timeout: Seconds = 5.0
    max_streams: Count = 10_000
    max_streams_per_client: Size = 0
    stream_threads: Count = 64
    compress_from: Size | None = 4 * KIB
    compress_level: Annotated[int, msgspec.Meta(ge=1, le=9)] = 5
    site: bool = True
    allowed_hosts: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = ()
    cors_methods: tuple[str, ...] = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
    cors_headers: tuple[str, ...] = ("accept", "authorization", "content-type", "last-event-id")
    cors_expose: tuple[str, ...] = ("content-disposition", "content-range", "etag", "location")
    cors_credentials: bool = False
    cors_max_age: Seconds = 600.0

    def __post_init__(self) -> None:
        """Refuse settings that contradict one another.

        Raises:
            ValueError: If every origin may bring its user's cookies.
        """
        if self.cors_credentials and "*" in self.cors_origins:
            msg = (
                "`cors_credentials` needs named `cors_origins`; with `*` every site could act as "
                "the users of this one"
            )
            raise ValueError(msg)
