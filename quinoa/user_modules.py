"""Imports users' modules, of agents and environments, by import path or by file."""

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

from quinoa import paths

_DOTTED = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_NAME = re.compile(rf"(?P<module>.+\.py|{_DOTTED})(?::(?P<attribute>{_DOTTED}))?")


class ModuleName(NamedTuple):
    """The name of a module, or of an attribute in it.

    Attributes:
        module: an import path `package.module`, or a file that ends in `.py`.
        attribute: the attribute, `name` or `name.name`; None for the module itself.
    """

    module: str
    attribute: str | None

    @property
    def is_file(self) -> bool:
        """Whether the module is given by its file."""
        return self.module.endswith(".py")

    @property
    def absolute(self) -> str:
        """The whole name, with a file's absolute path, which is valid in any current folder."""
        module = paths.absolute(self.module) if self.is_file else self.module
        return module if self.attribute is None else f"{module}:{self.attribute}"


def parse(name: str) -> ModuleName | None:
    """Parses `package.module`, `package.module:attribute`, `file.py` or `file.py:attribute`.

    Returns:
        The parts; None if the name has none of these forms.
    """
    match = _NAME.fullmatch(name)
    return None if match is None else ModuleName(match["module"], match["attribute"])


def absolute(name: str) -> str:
    """A name with the absolute path of its file, if it has one; any other name unchanged."""
    named = parse(name)
    return name if named is None else named.absolute


def load(module: str) -> types.ModuleType:
    """Imports a user's module.

    During the import, its folder (the current folder for an import path) comes first in
    `sys.path`, as if the user ran it, so that it takes precedence over an installed package of the
    same name.

    Args:
        module: an import path, or a file that ends in `.py`.

    Raises:
        ModuleNotFoundError: the module, the file or a module that it imports does not exist.
        Exception: any other error of the import.
    """
    if not module.endswith(".py"):
        with _first(os.getcwd()):
            return importlib.import_module(module)
    path = Path(paths.absolute(module))
    if not path.is_file():
        raise ModuleNotFoundError(f"There is no file {module}", name=module)
    for loaded in list(sys.modules.values()):
        if _file_of(loaded) == path and getattr(loaded, "__name__", "") != "__main__":
            return loaded
    name = _free_name(path)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    # Registered before it is executed, since dataclasses look up their module here.
    sys.modules[name] = loaded
    try:
        with _first(str(path.parent)):
            spec.loader.exec_module(loaded)
    except BaseException:
        del sys.modules[name]
        raise
    # So that imports within its functions find modules in its folder.
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
    """The file's stem, unless another module has that name or could be imported by it."""
    name = path.stem
    if name.isidentifier() and name not in sys.modules:
        found = importlib.machinery.PathFinder.find_spec(name)
        if found is None or found.origin == str(path):
            return name
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:8]
    return f"{re.sub(r'[^A-Za-z0-9_]', '_', name)}_{digest}"
