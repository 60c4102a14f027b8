"""Seven scopes of files for mods: who may read and write, encrypted where it matters."""

from pegboard_storage._factory import (
    alist_files,
    create_config_handler,
    create_data_handler,
    list_files,
)
from pegboard_storage._handler import FileHandler, FileHandlerV2
from pegboard_storage._scope import FilenameError, StorageScope
from pegboard_storage._service import Storage
from pegboard_storage._user import UserContext, get_current_context, set_current_context

__all__ = [
    "FileHandler",
    "FileHandlerV2",
    "FilenameError",
    "Storage",
    "StorageScope",
    "UserContext",
    "alist_files",
    "create_config_handler",
    "create_data_handler",
    "get_current_context",
    "list_files",
    "set_current_context",
]
