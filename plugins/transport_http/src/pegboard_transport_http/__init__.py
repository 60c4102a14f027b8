"""Serve the exports of a Pegboard app over HTTP and as server-sent events."""

from pegboard_transport_http._upload import UploadedFile
from pegboard_transport_http.config import HttpSettings

__all__ = ["HttpSettings", "UploadedFile"]
