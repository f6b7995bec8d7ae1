"""How to turn drawing on, for an environment that wants it."""

from __future__ import annotations

import os
import re

# Values by which MuJoCo and dm_control draw nothing.
_OFF = ("disable", "disabled", "off", "false", "0")
# In what they, and Gymnasium, raise when they are to draw all the same.
_ABOUT_DRAWING = re.compile(r"OpenGL|MUJOCO_GL|GLContext|gl_context|rendering backend")
# MuJoCo reads the variable when it is first imported.
_HINT = (
    "it draws, and MUJOCO_GL=disable, which quinoa sets where the shell sets nothing, turns that "
    "off: set MUJOCO_GL=egl, or osmesa"
)


def with_hint(text: str) -> str:
    """What an error says, and what to do if it is one of drawing that is turned off."""
    is_off = os.environ.get("MUJOCO_GL", "").lower() in _OFF
    if not is_off or _HINT in text or not _ABOUT_DRAWING.search(text):
        return text
    # First, for a long message is cut at its end.
    return f"{_HINT} ({text})"
