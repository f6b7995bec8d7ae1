from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from quinoa.launch.trained import policy_panels
from quinoa.launch.trained.action_probabilities import OfEachAction
from quinoa.launch.trained.policy_panels import SampledActions


def test_a_dimension_that_has_collapsed_is_drawn_without_a_density(tmp_path):
    actions = np.random.default_rng(0).uniform(-1, 1, (100, 4)).astype(np.float32)
    actions[:, 1] = 1.0
    actions[:, 3] = actions[:, 2]
    policy_panels.draw([SampledActions("here", actions, None)], "title", tmp_path / "policy.png")


@pytest.mark.parametrize(
    "names",
    ["iq on gym:Pendulum-v1", "my_package.my_agents.another_agent on my_package.tasks:balance_it"],
)
def test_the_title_fits_and_has_all_words(tmp_path, monkeypatch, names):
    figures = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *args, **options: figures.append(figure))
    title = f"{names}: 1000 actions in each state"
    actions = np.zeros((10, 1), np.float32)
    states = [
        SampledActions("a_file_of_states_with_a_long_name_that_goes_on.npy[0]", actions, None)
    ] * 2
    policy_panels.draw(states, title, tmp_path / "policy.png")
    (figure,) = figures
    figure.draw_without_rendering()
    (shown,) = figure.texts
    assert shown.get_text().split() == title.split()
    extent = shown.get_window_extent()
    assert extent.x0 >= 0 and extent.x1 <= figure.bbox.width
    for axes in figure.axes:
        assert axes.get_tightbbox().x1 <= figure.bbox.width
        # No title lies on another, or on a panel.
        assert axes.get_tightbbox().y1 <= extent.y0


def test_cells_hold_the_share_of_their_actions(tmp_path):
    # Two of three actions in the corner, one beside the middle.
    x, y = np.array([-1.0, -1.0, 0.5]), np.array([1.0, 1.0, 0.0])
    axes = Figure().subplots()
    policy_panels._draw_cells(axes, x, y, 5, 1.25)
    image = np.ma.asarray(axes.images[0].get_array())
    assert image.mask.sum() == 25 - 2
    shares = image.filled(0.0)
    assert shares[4, 0] == pytest.approx(2 / 3)
    assert shares[2, 3] == pytest.approx(1 / 3)
    assert shares.sum() == pytest.approx(1)
    np.testing.assert_allclose(policy_panels._shares(x, 5), [2 / 3, 0, 0, 1 / 3, 0])


def test_of_several_choices_each_has_bars(tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *args, **options: figures.append(figure))
    actions = np.array([[0, 1], [2, 1], [2, 0], [2, 1]])
    panels = [SampledActions("it", actions, numbers=(3, 2))]
    policy_panels.draw(panels, "title", tmp_path)
    (figure,) = figures
    heights = [[bar.get_height() for bar in axes.patches] for axes in figure.axes]
    assert heights == [[0.25, 0, 0.75], [0.25, 0.75]]
    assert [axes.get_xlabel() for axes in figure.axes] == ["choice 1", "choice 2"]


@pytest.mark.parametrize("values", [[100.0, 100.5, 99.75], [2.0, 2.0, 2.0], [-1e-9, 0.0, 1e-9]])
def test_action_values_are_drawn_around_what_they_are(tmp_path, monkeypatch, values):
    figures = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *args, **options: figures.append(figure))
    of_each = OfEachAction(None, np.array(values, np.float32), None)
    policy_panels.draw(
        [SampledActions("it", np.array([0, 2, 2]), None, (3,), of_each)], "title", tmp_path
    )
    (figure,) = figures
    shares, bars = figure.axes
    assert [bar.get_height() for bar in shares.patches] == pytest.approx([1 / 3, 0, 2 / 3])
    low, high = bars.get_ylim()
    assert low < min(values) and max(values) < high
    assert high - low < max(2 * np.ptp(values), 1e-2)
