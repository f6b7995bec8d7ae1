"""Runs what `benchmarks/peers` holds, each by the interpreter of its own virtual environment."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from benchmarks import stage
from benchmarks.measure import BenchmarkError

_FOLDER = Path(__file__).parent / "peers"
_ROOT = _FOLDER.parent.parent
_TIMEOUT_S = 700


class PeerError(BenchmarkError):
    """A peer is not there, or failed."""


def require() -> None:
    """Checks that the peers' environments are there.

    Raises:
        PeerError: they are not.
    """
    for peer in ("acme", "sb3"):
        if not _interpreter(peer).exists():
            raise PeerError(f"{peer} is not installed: make bench-peers does that, and runs this.")


def run(peer: str, script: str, *flags: str) -> dict[str, Any]:
    """Runs a peer's script to its end.

    Args:
        peer: acme or sb3.
        script: its name, without the extension.
        *flags: its flags.

    Returns:
        What it prints as the last line of its output.

    Raises:
        PeerError: it failed.
    """
    command = [str(_interpreter(peer)), str(_FOLDER / peer / f"{script}.py"), *flags]
    # Their servers listen to the whole network, as ours would.
    with stage.network() as network:
        status, output, errors = stage.call(
            "benchmarks.peers:execute", {"command": command}, network=network
        )
    if status:
        raise PeerError(f"{' '.join(command)} failed:\n{errors[-2000:]}")
    return dict(json.loads(output.strip().splitlines()[-1]))


def execute(command: list[str]) -> tuple[int, str, str]:
    """A stage: runs a command; returns its exit status, its output and its errors."""
    # A stage has TensorFlow's threads set, which is ours to choose, not a peer's.
    theirs = {name: value for name, value in os.environ.items() if "THREADS" not in name}
    done = subprocess.run(
        command, env=theirs, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
    )
    return done.returncode, done.stdout, done.stderr


def _interpreter(peer: str) -> Path:
    return _ROOT / f".venv-{peer}" / "bin" / "python"
