"""When Ray gives up a host, by the settings that the recipes start it with."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from tests.launch.helpers import ROOT

FILES = (
    ROOT / "deploy" / "slurm" / "quinoa.sbatch",
    ROOT / "deploy" / "workstations" / "hosts.sh",
    ROOT / "deploy" / "kubernetes" / "rayjob.yaml",
    ROOT / "docs" / "cluster.md",
)
_SETTING = re.compile(
    r"RAY_((?:health_check|gcs_rpc_server|grpc_client)_\w+)(?:=|, value: \")(\d+)"
)


def of_recipes() -> dict[str, int]:
    """The settings, by Ray's names for them."""
    return of_file(FILES[0])


def of_file(file: Path) -> dict[str, int]:
    """Those that a file has; each of them once."""
    found = _SETTING.findall(file.read_text("utf-8"))
    settings = {name: int(value) for name, value in found}
    assert len(settings) == len(found), file
    return settings


def seconds(settings: Mapping[str, int]) -> tuple[float, float]:
    """The fewest and the most seconds after which Ray gives a host up.

    The first of the questions without an answer may be asked as soon as the host is gone, or a
    period later; each fails at once where the network says so, or at its time limit.
    """
    period, patience = (
        settings[f"health_check_{name}_ms"] / 1000 for name in ("period", "timeout")
    )
    count = settings["health_check_failure_threshold"]
    return (count - 1) * period, count * (period + patience)
