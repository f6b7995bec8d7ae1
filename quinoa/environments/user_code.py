"""Imports users' code, and describes its errors in one line.

Such code may raise anything: sys.exit() in an environment raises SystemExit, and asyncio a
CancelledError, neither of which is an `Exception`. If it were not caught, SystemExit could end a
process with status 0, as if all were well. So callers of users' code catch `BaseException`, except
for `KeyboardInterrupt`, which comes from the user at the terminal.
"""

from __future__ import annotations

import os
import re
import textwrap
import types

from quinoa import user_modules

# The most characters that a message quotes of another error.
_MAX_MESSAGE = 500
# Values of MUJOCO_GL with which MuJoCo and dm_control do not render.
_OFF = ("disable", "disabled", "off", "false", "0")
# Matches what they and Gymnasium raise when they are to render nevertheless.
_ABOUT_RENDERING = re.compile(r"OpenGL|MUJOCO_GL|GLContext|gl_context|rendering backend")
# MuJoCo reads the variable when it is first imported.
_HINT = (
    "it draws, and MUJOCO_GL=disable, which quinoa sets where the shell sets nothing, turns that "
    "off: set MUJOCO_GL=egl, or osmesa"
)


class MissingModuleError(ImportError):
    """There is no such module, or no such file."""


class FailedImportError(ImportError):
    """The module exists, and importing it fails; the message says why."""


def load_module(module: str) -> types.ModuleType:
    """Imports a user's module, as `user_modules.load` does, and tells its errors apart.

    Args:
        module: an import path, or a file that ends in `.py`.

    Raises:
        MissingModuleError: there is no such module or file; `name` is the part that is missing.
        FailedImportError: the import raised any other error, which is the cause.
    """
    try:
        return user_modules.load(module)
    except ModuleNotFoundError as error:
        # A missing package that the module is in, or the module itself.
        if error.name is not None and f"{module}.".startswith(f"{error.name}."):
            raise MissingModuleError(str(error), name=error.name) from error
        raise FailedImportError(str(error)) from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise FailedImportError(described(error)) from error


def described(error: BaseException) -> str:
    """The error's type and message in one line, with advice if rendering is turned off."""
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return shortened(with_rendering_hint(text))


def shortened(text: str) -> str:
    """A message in one line of at most 500 characters."""
    return textwrap.shorten(text, _MAX_MESSAGE, placeholder=" ...")


def with_rendering_hint(text: str) -> str:
    """An error's message, with advice if the error is about rendering and that is turned off."""
    is_off = os.environ.get("MUJOCO_GL", "").lower() in _OFF
    if not is_off or _HINT in text or not _ABOUT_RENDERING.search(text):
        return text
    # The advice comes first, since a long message is cut at its end.
    return f"{_HINT} ({text})"
