"""Finds an OpenGL backend with which MuJoCo can render on this machine."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping

VARIABLE = "MUJOCO_GL"
# The backends that need no display, the faster first.
_BACKENDS = ("egl", "osmesa")
_OFF = ("", "disable", "disabled", "off", "false", "0")
# A trial takes half a second of one core, but the machine may be busy.
_TIMEOUT_S = 180.0

# Renders a red ball. Run in a process of its own, since a backend that does not work may crash it.
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
    """Tries the backends; takes a second or two.

    Args:
        inherited: the variables of the user's shell. If MUJOCO_GL names a backend there, only that
            one is tried.

    Returns:
        The value for MUJOCO_GL, which MuJoCo and dm_control read when they are first imported.

    Raises:
        NotRenderableError: no backend works; the message says what to install.
    """
    # Imported here: it takes seconds, and `why_requested_fails` does not need it.
    from quinoa.environments import NotRenderableError

    requested = inherited.get(VARIABLE, "").lower()
    backends = _BACKENDS if requested in _OFF else (requested,)
    failures = []
    for backend in backends:
        failure = _failure(backend, inherited)
        if failure is None:
            return backend
        failures.append(f"{backend}: {failure}")
    how = ""
    if backends != _BACKENDS:
        how = f" {VARIABLE} is set to {requested}: unset it to have others tried."
    raise NotRenderableError(
        f"MuJoCo cannot draw on this machine ({'; '.join(failures)}).{how} Install EGL or OSMesa "
        "(Debian and Ubuntu: apt install libegl1 libgl1-mesa-dri, or libosmesa6)."
    )


def why_requested_fails(inherited: Mapping[str, str]) -> str | None:
    """Tries the backend that MUJOCO_GL names in the user's shell, if it names one.

    Returns:
        Why it does not work; None if it does, or none is named.
    """
    requested = inherited.get(VARIABLE, "").lower()
    return None if requested in _OFF else _failure(requested, inherited)


def _failure(backend: str, inherited: Mapping[str, str]) -> str | None:
    """Why a backend does not work; None if it does."""
    try:
        trial = subprocess.run(
            [sys.executable, "-c", _TRIAL],
            env={**inherited, VARIABLE: backend},
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        return f"no picture within {_TIMEOUT_S:.0f} s"
    # Some drivers crash when the process exits, which does no harm.
    if trial.stdout.strip() == "drawn":
        return None
    lines = trial.stderr.strip().splitlines()
    return lines[-1] if lines else f"exit status {trial.returncode}"
