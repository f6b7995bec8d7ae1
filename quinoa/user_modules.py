"""Modules of the user's own: agents and environments, named by import path or by file."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.machinery
import importlib.util
import os
import re
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_DOTTED = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_NAME = re.compile(rf"(?P<module>.+\.py|{_DOTTED})(?::(?P<attribute>{_DOTTED}))?")


class Named(NamedTuple):
    """A name in its two parts.

    Attributes:
        module: an import path `package.module`, or a file that ends in `.py`.
        attribute: what is meant in it, `name` or `name.name`; None is the module itself.
    """

    module: str
    attribute: str | None

    @property
    def is_file(self) -> bool:
        """Whether the module is named by its file."""
        return self.module.endswith(".py")

    @property
    def absolute(self) -> str:
        """The whole name, a file's by its absolute path, so that it holds in any folder."""
        module = os.path.abspath(self.module) if self.is_file else self.module
        return module if self.attribute is None else f"{module}:{self.attribute}"


def parse(name: str) -> Named | None:
    """`package.module`, `package.module:attribute`, `file.py` or `file.py:attribute`.

    Returns:
        The parts; None where the name has none of these forms.
    """
    match = _NAME.fullmatch(name)
    return None if match is None else Named(match["module"], match["attribute"])


def absolute(name: str) -> str:
    """A name whose file, if it names one, is an absolute path; any other name as it is."""
    named = parse(name)
    return name if named is None else named.absolute


def load(module: str) -> types.ModuleType:
    """Imports a module of the user's own.

    While it is imported, its folder comes first in `sys.path` (the current folder, for an import
    path), as it would if the user ran it: a package that is installed and happens to have the same
    name is not what is meant.

    Args:
        module: an import path, or a file that ends in `.py`.

    Raises:
        ModuleNotFoundError: there is no such module or file; or one that it imports is missing.
        Exception: whatever else importing it raises.
    """
    if not module.endswith(".py"):
        with _first(os.getcwd()):
            return importlib.import_module(module)
    path = Path(os.path.abspath(module))
    if not path.is_file():
        raise ModuleNotFoundError(f"There is no file {module}", name=module)
    for loaded in list(sys.modules.values()):
        if _file_of(loaded) == path and getattr(loaded, "__name__", "") != "__main__":
            return loaded
    name = _free_name(path)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    # Before it is executed: dataclasses look their module up here.
    sys.modules[name] = loaded
    try:
        with _first(str(path.parent)):
            spec.loader.exec_module(loaded)
    except BaseException:
        del sys.modules[name]
        raise
    # For what it imports only later on.
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    return loaded


@contextlib.contextmanager
def _first(folder: str) -> Iterator[None]:
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(folder)


def _file_of(module: types.ModuleType) -> Path | None:
    file = getattr(module, "__file__", None)
    return Path(os.path.abspath(file)) if isinstance(file, str) else None


def _free_name(path: Path) -> str:
    """The file's own name, unless another module has that or could be imported by it."""
    name = path.stem
    if name.isidentifier() and name not in sys.modules:
        found = importlib.machinery.PathFinder.find_spec(name)
        if found is None or found.origin == str(path):
            return name
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:8]
    return f"{re.sub(r'[^A-Za-z0-9_]', '_', name)}_{digest}"
