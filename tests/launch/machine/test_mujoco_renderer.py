from __future__ import annotations

import os

import pytest

from quinoa.environments import NotRenderableError
from quinoa.launch.machine import mujoco_renderer

# PyOpenGL refuses EGL and OSMesa alike where it has been told of something else.
WITHOUT = {"PYOPENGL_PLATFORM": "none"}


def test_a_machine_without_a_renderer_is_one_line_that_says_what_to_install():
    with pytest.raises(NotRenderableError) as caught:
        mujoco_renderer.find({**os.environ, **WITHOUT})
    message = str(caught.value)
    assert message.startswith("MuJoCo cannot draw on this machine (egl: ")
    assert "; osmesa: " in message
    assert message.endswith("apt install libegl1 libgl1-mesa-dri, or libosmesa6).")
    assert "\n" not in message


def test_the_users_own_wish_alone_is_tried():
    with pytest.raises(NotRenderableError) as caught:
        mujoco_renderer.find({**os.environ, "MUJOCO_GL": "crayons"})
    message = str(caught.value)
    assert "(crayons: " in message
    assert "egl:" not in message
    assert "MUJOCO_GL is set to crayons: unset it" in message


def test_a_wish_not_to_draw_is_none_here():
    environment = {**os.environ, "MUJOCO_GL": "disable"}
    try:
        assert mujoco_renderer.find(environment) in ("egl", "osmesa")
    except NotRenderableError as error:
        assert "egl: " in str(error) and "osmesa: " in str(error)


def test_a_wish_that_does_not_work_is_found_out():
    assert mujoco_renderer.why_requested_fails({**os.environ, "MUJOCO_GL": "disable"}) is None
    why = mujoco_renderer.why_requested_fails({**os.environ, "MUJOCO_GL": "glx"})
    assert why and "\n" not in why
