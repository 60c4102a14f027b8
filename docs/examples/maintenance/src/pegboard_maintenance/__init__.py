"""Answer requests with 503 while somebody works on the system."""

from pegboard_maintenance._switch import Notice, Switch
from pegboard_maintenance.config import Settings

__all__ = ["Notice", "Settings", "Switch"]
