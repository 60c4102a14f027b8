"""`pegboard serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pegboard._cli.option import project

__all__ = ["serve"]

_SERVE_KEYS = (
    "host",
    "port",
    "server",
    "workers",
    "certfile",
    "keyfile",
    "http2",
    "backend",
    "access_log",
    "shutdown_timeout",
    "reload",
)


_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


@click.command()
@project
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65_535), help="0 takes a free one.  [default: 5000]")
@click.option("--server", metavar="NAME", help="uvicorn, hypercorn or auto.  [default: auto]")
@click.option("--workers", type=click.IntRange(1, 64), help="Processes.  [default: 1]")
@click.option("--certfile", type=click.Path(dir_okay=False), help="Certificate chain (PEM).")
@click.option("--keyfile", type=click.Path(dir_okay=False), help="Its private key (PEM).")
@click.option("--http2/--no-http2", default=None, help="Offer HTTP/2.")
@click.option("--backend", type=click.Choice(["asyncio", "trio"]), help="[default: asyncio]")
@click.option("--shutdown-timeout", type=click.FloatRange(0, 3600), help="Seconds.  [default: 10]")
@click.option("--reload/--no-reload", default=None, help="Bring changed code live at once.")
@click.option("--dev/--no-dev", default=None, help="Show errors to clients with their traceback.")
@click.option("--mod", "mods", multiple=True, metavar="NAME", help="Load only this mod.")
@click.option("--no-mods", is_flag=True, help="Load no mods.")
@click.option("--access-log/--no-access-log", default=None, help="Log each request.")
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text")
@click.option(
    "--log-level", type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"], case_sensitive=False)
)
@click.pass_context
def serve(
    context: click.Context,
    /,
    project: Path,
    *,
    dev: bool | None,
    mods: tuple[str, ...],
    no_mods: bool,
    log_format: str,
    log_level: str | None,
    **settings: Any,
) -> None:
    """Serve the mods over HTTP, server-sent events and WebSocket.

    Ctrl+C, or the signal TERM, lets running requests end, tells streams and sockets, and runs
    what the mods have for their end. Once more stops at once.
    """
    from pegboard._serving.serve import ServeRequest
    from pegboard._serving.serve import serve as run

    if mods and no_mods:
        msg = "--mod and --no-mods exclude each other"
        raise click.UsageError(msg)
    given = {key: value for key in _SERVE_KEYS if (value := settings[key]) is not None}
    config: dict[str, Any] = {"serve": given} if given else {}
    if log_level is not None:
        config["app"] = {"log_level": log_level.upper()}
    request = ServeRequest(
        project=str(project),
        config=config,
        dev=dev,
        mods=list(mods) if mods or no_mods else None,
        log_format="json" if log_format == "json" else "text",
    )
    context.exit(run(request))
