"""Which OpenGL draws MuJoCo's pictures on this machine."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping

VARIABLE = "MUJOCO_GL"
# What draws without a display, the better first.
_WAYS = ("egl", "osmesa")
_OFF = ("", "disable", "disabled", "off", "false", "0")
# Half a second of a core, on a machine that may have much else to do.
_TIMEOUT_S = 180.0

# Draws a red ball, in a process of its own: what does not work may well crash.
_TRIAL = """
import mujoco

model = mujoco.MjModel.from_xml_string(
    "<mujoco><worldbody><light pos='0 0 3'/>"
    "<geom type='sphere' size='1' rgba='1 0 0 1'/></worldbody></mujoco>"
)
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
with mujoco.Renderer(model, 32, 32) as renderer:
    renderer.update_scene(data)
    assert renderer.render().max() > 0, "the picture is black"
    print("drawn", flush=True)
"""


def find(inherited: Mapping[str, str]) -> str:
    """Tries what there is; takes a second or two.

    Args:
        inherited: the variables that the user's shell has. Where MUJOCO_GL is one of them, and not
            to say that nothing is drawn, that alone is tried.

    Returns:
        The value for MUJOCO_GL, which MuJoCo and dm_control read when they are first imported.

    Raises:
        NotRenderableError: nothing works; the message says what to install.
    """
    # Importing it takes seconds, and who asks for `why_wish_fails` alone can do without.
    from quinoa.environments import NotRenderableError

    wish = inherited.get(VARIABLE, "").lower()
    ways = _WAYS if wish in _OFF else (wish,)
    failures = []
    for way in ways:
        failure = _failure(way, inherited)
        if failure is None:
            return way
        failures.append(f"{way}: {failure}")
    how = f" {VARIABLE} is set to {wish}: unset it to have others tried." if ways != _WAYS else ""
    raise NotRenderableError(
        f"MuJoCo cannot draw on this machine ({'; '.join(failures)}).{how} Install EGL or OSMesa "
        "(Debian and Ubuntu: apt install libegl1 libgl1-mesa-dri, or libosmesa6)."
    )


def why_wish_fails(inherited: Mapping[str, str]) -> str | None:
    """Tries what the user's shell says MuJoCo is to draw by, if it says anything.

    Returns:
        Why that does not work; None if it does, or nothing is asked for.
    """
    wish = inherited.get(VARIABLE, "").lower()
    return None if wish in _OFF else _failure(wish, inherited)


def _failure(way: str, inherited: Mapping[str, str]) -> str | None:
    """What goes wrong when this one is to draw; None if nothing does."""
    try:
        trial = subprocess.run(
            [sys.executable, "-c", _TRIAL],
            env={**inherited, VARIABLE: way},
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        return f"no picture within {_TIMEOUT_S:.0f} s"
    # A crash while the process ends, which some drivers are given to, does no harm.
    if trial.stdout.strip() == "drawn":
        return None
    lines = trial.stderr.strip().splitlines()
    return lines[-1] if lines else f"exit status {trial.returncode}"
