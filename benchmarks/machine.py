"""One line that says where the figures come from."""

import os
import platform
from pathlib import Path

from benchmarks.child import cores


def machine() -> str:
    """Return processor, cores, memory, system, interpreter and load in one line."""
    measured, driving = cores()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return (
        f"{_processor()}, {os.cpu_count()} cores (measured on {measured}, driven from {driving}), "
        f"{_memory()}{platform.system()} {platform.release()}, "
        f"{platform.python_implementation()} {platform.python_version()}, load {load:.2f}"
    )


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory() -> str:
    info = Path("/proc/meminfo")
    if not info.exists():
        return ""
    total = int(info.read_text().split(maxsplit=2)[1])
    return f"{total / 2**20:.0f} GB, "
