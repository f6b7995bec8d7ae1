from __future__ import annotations

import sys

import numpy as np
import pytest

from quinoa import environments
from quinoa.environments import NotRenderableError, rendering

DRAWN = "tests.launch.factories:drawn"


def made(name: str, **options):
    environment = environments.make(name, 0, rendered=True, **options)
    environment.reset()
    return environment


def test_an_environment_of_the_users_own_draws_itself():
    environment = made(DRAWN)
    rendering.check(environment, DRAWN)
    assert not rendering.needs_mujoco_renderer(environment)
    picture = rendering.render(environment, 40)
    assert picture.dtype == np.uint8
    np.testing.assert_array_equal(picture, environment.inner.render())


def test_a_picture_gets_the_height_that_is_asked_for_and_keeps_its_shape():
    environment = made(DRAWN)
    picture = rendering.render(environment, 80)
    assert picture.shape == (80, 120, 3)
    assert abs(int(picture[40, 110, 0]) - int(environment.inner.render()[20, 55, 0])) <= 1


def test_a_picture_that_would_be_too_wide_gets_less_height():
    assert rendering.render(made(DRAWN), 80, max_width=60).shape == (40, 60, 3)
    assert rendering.render(made(DRAWN), 80, max_width=200).shape == (80, 120, 3)


@pytest.mark.parametrize("said", [lambda: lambda: 0.1, lambda: "fast", lambda: True, 0.0, None])
def test_a_time_step_that_is_no_positive_number_says_nothing(said):
    environment = made(DRAWN)
    environment.inner.control_timestep = said
    assert rendering.step_seconds(environment) is None


def test_what_is_no_picture_is_refused():
    environment = made("tests.launch.factories:badly_drawn")
    with pytest.raises(
        NotRenderableError, match=r"BadlyDrawn.render\(\) returned float64 \[40, 60\]"
    ):
        rendering.render(environment, 40)


@pytest.mark.parametrize("error", [OSError("no display"), SystemExit(0)])
def test_whatever_drawing_raises_is_one_error(error, monkeypatch):
    environment = made(DRAWN)

    def render(self):
        raise error

    monkeypatch.setattr(type(environment.inner), "render", render)
    with pytest.raises(
        NotRenderableError, match=rf"^Drawn.render\(\) failed: {type(error).__name__}: "
    ):
        rendering.render(environment, 40)


def test_an_environment_without_pictures_is_told_what_to_have():
    environment = made("tests.launch.factories:match")
    with pytest.raises(NotRenderableError, match=r"match has no pictures: give it a method render"):
        rendering.check(environment, "tests.launch.factories:match")
    assert rendering.step_seconds(environment) is None


@pytest.mark.parametrize("name", ["control:cartpole:balance", "gym:InvertedPendulum-v5"])
def test_mujocos_environments_need_its_renderer(name):
    environment = environments.make(name, 0, rendered=True)
    rendering.check(environment, name)
    assert rendering.needs_mujoco_renderer(environment)
    environment.close()


def test_an_actions_time_is_the_simulations_times_its_repeats():
    assert rendering.step_seconds(made(DRAWN, action_repeat=3)) == pytest.approx(0.3)
    assert rendering.step_seconds(made("control:cartpole:balance")) == pytest.approx(0.01)
    environment = environments.make("gym:InvertedPendulum-v5", 0, rendered=True)
    assert rendering.step_seconds(environment) == pytest.approx(0.04)
    environment.close()


@pytest.mark.parametrize("name", ["gym:Pendulum-v1", "gym:MountainCarContinuous-v0"])
def test_gymnasiums_classic_tasks_are_drawn_without_a_screen(name, monkeypatch, capfd):
    for variable in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER", "SDL_AUDIODRIVER"):
        monkeypatch.delenv(variable, raising=False)
    environment = made(name)
    assert not rendering.needs_mujoco_renderer(environment)
    first = rendering.render(environment, 64)
    assert first.shape[0] == 64
    for _ in range(10):
        environment.step([1.0])
    assert (rendering.render(environment, 64) != first).any()
    environment.close()
    assert "error" not in capfd.readouterr().err


def test_a_gymnasium_environment_whose_painter_is_not_installed_says_so(monkeypatch):
    # What an import finds in its place is no module.
    monkeypatch.setitem(sys.modules, "pygame", None)
    environment = made("gym:Pendulum-v1")
    with pytest.raises(NotRenderableError, match="pygame"):
        rendering.render(environment, 40)
    environment.close()
