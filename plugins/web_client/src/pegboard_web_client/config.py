"""The settings of `[plugins.web_client]`."""

from __future__ import annotations

import msgspec

__all__ = ["WebClientConfig"]


class WebClientConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nothing: what can be set is set in the page, with `TB.init`."""
