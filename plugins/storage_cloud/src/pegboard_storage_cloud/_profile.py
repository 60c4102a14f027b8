"""The files of `~/.aws`: who we are at S3-compatible services, and where."""

from __future__ import annotations

from collections.abc import Mapping
from configparser import ConfigParser
from configparser import Error as ParseError
from pathlib import Path

from pegboard.errors import ConfigError

__all__ = ["read_profile"]


def read_profile(name: str, environ: Mapping[str, str], home: Path) -> dict[str, str]:
    """Return what both files say of a profile, empty if neither knows it.

    Raises:
        ConfigError: If a file cannot be read.
    """
    folder = home / ".aws"
    config = Path(environ.get("AWS_CONFIG_FILE") or folder / "config")
    credentials = Path(environ.get("AWS_SHARED_CREDENTIALS_FILE") or folder / "credentials")
    section = name if name == "default" else f"profile {name}"
    return {**_section(config, section), **_section(credentials, name)}


def _section(path: Path, name: str) -> dict[str, str]:
    parser = ConfigParser(interpolation=None)
    try:
        parser.read(path.expanduser(), encoding="utf-8")
    except (OSError, ParseError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    return dict(parser[name]) if parser.has_section(name) else {}
