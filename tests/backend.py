"""The backends that whatever uses storage is tested on.

A test that takes the fixture `backend` runs once for each of `BACKENDS`; the fixture
`NAME_backend` gives what an app needs for that one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

BACKENDS = ["local", "s3", "redis"]


@dataclass(frozen=True)
class Backend:
    """What an app needs so that its files are kept in one backend.

    Attributes:
        name: As in `FileHandlerV2(backend=...)`.
        mode: `database.mode` that leads there.
        plugins: Beside `storage`.
        config: Nested settings.
    """

    name: str
    mode: str
    plugins: tuple[str, ...]
    config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def settings(self) -> dict[str, Any]:
        """Return the settings of an app whose `backend="auto"` leads here."""
        plugins = {"storage": {"mode": self.mode}, **self.config.get("plugins", {})}
        return {**self.config, "plugins": plugins}
