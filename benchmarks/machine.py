"""What machine a benchmark ran on."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import psutil

from quinoa.launch.machine.sizing import usable_cores


def describe() -> str:
    """The processor, the cores that may be used, the memory and the system, in one line."""
    cores = usable_cores()
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{_processor()}, {cores} of {os.cpu_count()} cores, {memory:.0f} GiB, "
        f"Linux {platform.release()}, Python {platform.python_version()}"
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
