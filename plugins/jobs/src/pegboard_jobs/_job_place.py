"""Where the files of a job lie: below the folder of its project."""

from __future__ import annotations

import os
from uuid import UUID

from pegboard_database import Rows
from pegboard_jobs import _project_table
from pegboard_jobs._number import folder_of

__all__ = ["JobPlace"]


class JobPlace:
    """The folder of a project, looked up in the transaction that makes a job of it."""

    def __init__(self, project: UUID) -> None:
        self._project = project
        self._directory: str | None = None

    def look(self, rows: Rows) -> None:
        """Find it."""
        self._directory = _project_table.directory(rows, self._project)

    def folder_of(self, number: str) -> str:
        """Return the folder of a job; that of the process as long as the store is away."""
        if self._directory is None or not number:
            return "."
        return os.path.join(self._directory, folder_of(number))  # noqa: PTH118 - of each job
