"""The first administrator: by a link that is printed once, and never by a default password."""

from __future__ import annotations

import logging
import sys
from time import time
from typing import TYPE_CHECKING

from pegboard.contracts.server import ServeSettings
from pegboard_auth._address import link_url, served_url

if TYPE_CHECKING:
    from pegboard_auth._reception import Reception

__all__ = ["announce"]

_logger = logging.getLogger("pegboard.auth")

PATIENCE = 30.0  # seconds in which the workers of one server start: one of them prints the link


async def announce(reception: Reception, settings: ServeSettings) -> None:
    """Print a link to make the first administrator, unless there is one.

    It goes to a terminal and into no log, since who has it becomes administrator. Where there is
    no terminal, the log says how to get one.
    """
    if not sys.stderr.isatty():
        if not await reception.accounts.has_admin():
            _logger.info("no administrator yet: `pegboard users add NAME --level 10` makes one")
        return
    code = await reception.accounts.setup_code(time(), patience=PATIENCE)
    if code is None:
        return
    where = link_url(reception.config.public_url or served_url(settings), code)
    minutes = int(reception.config.link_lifetime // 60)
    text = f"No administrator yet. Make yourself one within {minutes} minutes:\n  {where}\n"
    sys.stderr.write(text)
    sys.stderr.flush()
