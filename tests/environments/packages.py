"""Packages as installers leave them, with entry points."""

from __future__ import annotations

from pathlib import Path


def install(site: Path, package: str, entry_points: str) -> None:
    """Writes to a folder of packages what tells of one with these entry points."""
    described = site / f"{package}-1.0.dist-info"
    described.mkdir(parents=True)
    (described / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (described / "entry_points.txt").write_text(entry_points)
