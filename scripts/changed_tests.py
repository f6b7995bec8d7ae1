"""Runs the tests of what has changed, those that failed last first: `make test FAST=1`.

What has changed is what git has not committed, or, where that is nothing, the last commit. Tests
mirror the source tree, which is how a module's are found: those of `quinoa/launch/sweep/space.py`
are `tests/launch/sweep/test_space.py`, or, where there is no such file, all of the folder. Tests
marked `long` are left out.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OPTIONS = ["-n", "2", "--dist", "loadfile", "--failed-first", "-m", "not slow and not long"]
# What pytest ends with where all were left out.
NO_TESTS = 5


def main() -> int:
    """Runs them; the arguments are pytest's. Returns the status."""
    found = tests_of(changed_files())
    if found:
        print("Testing", *found, flush=True)
        command = [sys.executable, "-m", "pytest", *OPTIONS, *sys.argv[1:], *found]
        status = subprocess.run(command, cwd=ROOT, check=False).returncode
        if status != NO_TESTS:
            return status
    print("Nothing that has short tests has changed: `make test` runs them all.")
    return 0


def changed_files() -> list[str]:
    """Paths, from the repository's root, that are not as in the last commit, or that it changed."""
    changed = [
        *_git("diff", "--name-only", "--diff-filter=d", "HEAD"),
        *_git("ls-files", "--others", "--exclude-standard"),
    ]
    return changed or _git("diff", "--name-only", "--diff-filter=d", "HEAD~1", "HEAD")


def tests_of(paths: Iterable[str], root: Path = ROOT) -> list[str]:
    """The test files of source files, pages and test files, sorted.

    Args:
        paths: from the root.
        root: of the repository.

    Returns:
        Paths from the root, of files that are there.
    """
    found: set[Path] = set()
    for text in paths:
        path = root / text
        top, *rest = Path(text).parts
        if top == "tests":
            is_test = path.name.startswith("test_") and path.suffix == ".py"
            found |= {path} if is_test else set(path.parent.glob("test_*.py"))
        elif top == "quinoa":
            # What lies beside the packages is what users import: tests/api has its tests.
            folder = root.joinpath("tests", *(rest[:-1] or ["api"]))
            found |= _beside(folder, path)
        elif top in ("benchmarks", "docs"):
            found |= set((root / "tests" / top).glob("test_*.py"))
        elif path.suffix == ".md":
            found |= set((root / "tests" / "docs").glob("test_*.py"))
    return sorted(str(path.relative_to(root)) for path in found if path.is_file())


def _beside(folder: Path, source: Path) -> set[Path]:
    """The tests of a module or other file whose mirror is in a folder."""
    own = folder / f"test_{source.stem}.py"
    if own.is_file():
        return {own}
    # A folder without tests of its own is tested where it is used from.
    while not any(folder.glob("test_*.py")) and folder.name != "tests":
        folder = folder.parent
    return set(folder.glob("test_*.py"))


def _git(*arguments: str) -> list[str]:
    done = subprocess.run(["git", *arguments], check=True, capture_output=True, text=True, cwd=ROOT)
    return done.stdout.splitlines()


if __name__ == "__main__":
    sys.exit(main())
