"""What a suite hands back, and how a whole run is written down."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.sample import Samples
from benchmarks.target import Target


@dataclass(frozen=True, kw_only=True)
class Report:
    """The answer of one suite: tables to read, promises to compare, every value measured."""

    suite: str
    tables: list[str]
    samples: Samples
    targets: list[Target] = field(default_factory=list)

    def __str__(self) -> str:
        """Return the tables and the targets as text."""
        lines = [str(target) for target in self.targets]
        return "\n".join([f"## {self.suite}", "", *self.tables, *lines, ""])


def write_json(
    path: Path, *, machine: str, versions: dict[str, str], reports: list[Report]
) -> None:
    """Write every value of the run to ``path``."""
    document: dict[str, Any] = {
        "machine": machine,
        "versions": versions,
        "suites": {
            report.suite: {
                "values": report.samples.values,
                "targets": [
                    {"text": t.text, "limit": t.limit, "value": t.value, "met": t.is_met}
                    for t in report.targets
                ],
            }
            for report in reports
        },
    }
    path.write_text(json.dumps(document, indent=1) + "\n")
