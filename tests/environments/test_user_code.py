from __future__ import annotations

import re

import pytest

from quinoa import environments
from quinoa.environments.user_code import described

HINT = r"MUJOCO_GL=disable, which quinoa sets .* set MUJOCO_GL=egl, or osmesa \("


@pytest.fixture(autouse=True)
def off(monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "disable")


def draw_with_mujoco():
    import mujoco

    mujoco.Renderer(mujoco.MjModel.from_xml_string("<mujoco/>"), 32, 32)


def draw_with_dm_control():
    from dm_control import suite

    suite.load("cartpole", "balance").physics.render()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("draw", [draw_with_mujoco, draw_with_dm_control])
def test_an_environment_that_draws_where_that_is_off_is_told_how_to_turn_it_on(draw):
    with pytest.raises(Exception, match=r"OpenGL|GLContext") as caught:
        draw()
    text = described(caught.value)
    assert text.startswith("it draws, and MUJOCO_GL=disable, which quinoa sets")
    assert text.endswith(f"({type(caught.value).__name__}: {caught.value})")
    # Said once, however often it is passed on.
    assert described(RuntimeError(text)) == f"RuntimeError: {text}"


def test_nothing_is_said_of_drawing_where_it_is_on_or_not_the_matter(monkeypatch):
    assert described(ValueError("no")) == "ValueError: no"
    monkeypatch.setenv("MUJOCO_GL", "egl")
    assert described(ValueError("no OpenGL")) == "ValueError: no OpenGL"


def test_a_fault_of_an_episode_says_so():
    environment = environments.make("control:cartpole:balance", 0)
    fault = environment.fault(RuntimeError("No OpenGL rendering backend is available."), 3)
    assert re.search(HINT, str(fault))
    environment.close()
