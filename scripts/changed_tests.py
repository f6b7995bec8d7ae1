"""Runs the tests of what has changed, those that failed last first: `make test FAST=1`.

What has changed is what git has not committed, or, where that is nothing, the last commit. Tests
mirror the source tree, which is how a module's are found: those of `quinoa/launch/sweep/space.py`
are `tests/launch/sweep/test_space.py`, or, where there is no such file, all of the folder. What
tests share is tested by all that import it, and a script or a file such as `Makefile` by the tests
that name it. Tests marked `long` are left out.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OPTIONS = ["-n", "2", "--dist", "loadfile", "--failed-first", "-m", "not slow and not long"]
# What pytest ends with where all were left out.
NO_TESTS = 5
# What the package is built from and installed with, which its test need not name.
PACKAGING = ("MANIFEST.in", "pyproject.toml", "requirements.txt", "setup.py")


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
    """The test files of source files, pages, scripts and test files, sorted.

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
        if top == "quinoa":
            # What lies beside the packages is what users import: tests/api has its tests.
            folder = root.joinpath("tests", *(rest[:-1] or ["api"]))
            found |= _beside(folder, path)
        elif top in ("benchmarks", "docs"):
            found |= set((root / "tests" / top).glob("test_*.py"))
        elif path.suffix == ".md":
            found |= set((root / "tests" / "docs").glob("test_*.py"))
        else:
            if top in PACKAGING:
                found.add(root / "tests" / "test_packaging.py")
            found |= {used for used in _using(path, root) if _is_test(used)}
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


def _is_test(path: Path) -> bool:
    return path.name.startswith("test_") and path.suffix == ".py"


def _using(path: Path, root: Path) -> set[Path]:
    """The files of tests and scripts that use a file, directly or not, and the file itself."""
    files = [*root.glob("tests/**/*.py"), *root.glob("scripts/*.*"), root / "Makefile"]
    texts = {file: file.read_text(encoding="utf-8") for file in files if file.is_file()}
    found, left = {path}, [path]
    while left:
        used = left.pop()
        word, pattern = _use(used, root)
        # pytest and Python load these for every file below them.
        is_for_all = used.name in ("conftest.py", "__init__.py")
        for file, text in texts.items():
            is_below = is_for_all and _is_test(file) and used.parent in file.parents
            if file not in found and (is_below or (word in text and pattern.search(text))):
                found.add(file)
                left.append(file)
    return found


def _use(path: Path, root: Path) -> tuple[str, re.Pattern[str]]:
    """A word and an expression that a text has where it uses a file that is no part of `quinoa`."""
    relative = path.relative_to(root)
    top, *rest = relative.parts
    if top == "tests" and path.suffix == ".py":
        # A package's __main__ is run by the name of the package.
        module = relative.parent if path.stem == "__main__" else relative.with_suffix("")
        *folders, stem = module.parts
        package = re.escape(".".join(folders))
        # As in `from tests.launch import (factories, helpers)`.
        uses = rf"\b{package}\.{stem}\b|\bfrom {package} import (\([^)]*|.*)\b{stem}\b"
        return stem, re.compile(uses)
    if top == "tests":
        # Data: its tests name the folder, or the file where it lies among modules.
        above = [*path.parents][: len(rest) - 1]
        data = [folder for folder in above if not any(folder.glob("**/*.py"))]
        name = data[-1].name if data else path.name
    elif top == "scripts":
        # Python's are named without .py where they are imported.
        name = path.stem if path.suffix == ".py" else path.name
    else:
        name = str(relative)
    return name, re.compile(rf"(?<![\w-]){re.escape(name)}\b")


def _git(*arguments: str) -> list[str]:
    done = subprocess.run(["git", *arguments], check=True, capture_output=True, text=True, cwd=ROOT)
    return done.stdout.splitlines()


if __name__ == "__main__":
    sys.exit(main())
