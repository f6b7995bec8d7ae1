"""Paths as users write them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

_FLAG = re.compile(r"\A(?P<name>--?\w+=)(?P<path>~.*)", re.DOTALL)


def absolute(path: str | os.PathLike[str]) -> str:
    """A path that means the same from any current folder, with the home folder in place of `~`."""
    return os.path.abspath(os.path.expanduser(path))


def with_home(arguments: Iterable[str]) -> list[str]:
    """Replaces `~` in flags.

    Shells do so only where it begins a word, which it does in `--name ~/path`.

    Args:
        arguments: of a command line.

    Returns:
        The same, with the home folder in place of the `~` of each `--name=~/path`.
    """
    return [
        _FLAG.sub(lambda flag: flag["name"] + os.path.expanduser(flag["path"]), text)
        for text in arguments
    ]
