from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from matplotlib.figure import Figure

from quinoa.launch.checkpoints import learner_checkpoints
from quinoa.launch.errors import ExperimentError, RunError
from quinoa.launch.experiment.saved import load
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.trained import policy_picture
from quinoa.launch.trained.evaluate import load_agent, load_policy
from quinoa.launch.trained.policy_panels import SampledActions
from quinoa.launch.trained.policy_picture import LabelledState
from tests.agents import tiny_discrete
from tests.launch.factories import EPISODE_STEPS
from tests.launch.helpers import MATCH
from tests.launch.runs import SMALL_FLOW, make_run

HOPPER = "control:hopper:stand"
DISCRETE = "tests.agents.tiny_discrete"


@pytest.fixture(scope="module")
def hopper(tmp_path_factory) -> RunFolder:
    return make_run(tmp_path_factory.mktemp("runs") / "hopper", HOPPER, "iq_flow", **SMALL_FLOW)


def draw(folder: RunFolder, path, **options):
    checkpoint = learner_checkpoints.newest(folder.checkpoints)
    return policy_picture.draw_policy(load(folder), checkpoint, path, **options)


def sample(
    folder: RunFolder, *, steps=(), states=(), seed=0, num_actions=4000
) -> list[SampledActions]:
    experiment = load(folder)
    policy = load_policy(experiment, learner_checkpoints.newest(folder.checkpoints))
    return policy_picture._sample(experiment, policy, steps, states, num_actions, seed)


def test_draws_pairs_of_dimensions(hopper, tmp_path):
    path = draw(hopper, tmp_path / "new" / "policy.png", steps=[3])
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(("agent", "what"), [("iq_flow", "density"), ("iq", "share of the act")])
def test_draws_a_single_dimension(tmp_path, agent, what):
    folder = make_run(tmp_path / "run", MATCH, agent)
    path = draw(folder, tmp_path / "policy.svg", steps=[0], num_actions=50)
    assert what in path.read_text()


def test_draws_the_share_of_each_action_of_a_finite_set(tmp_path):
    folder = make_run(tmp_path / "run", "tests.launch.factories:choose", "dqn")
    path = draw(folder, tmp_path / "policy.svg", steps=[0], num_actions=50)
    assert "share of the act" in path.read_text()
    (drawn,) = sample(folder, steps=[0])
    # ε is 1 at the start.
    np.testing.assert_allclose(np.bincount(drawn.actions) / 4000, np.full(3, 1 / 3), atol=0.05)


def test_draws_the_shares_of_each_of_several_choices(tmp_path):
    folder = make_run(tmp_path / "run", "tests.launch.factories:choose_two", "a2c")
    path, table = tmp_path / "policy.svg", tmp_path / "actions.csv"
    draw(folder, path, steps=[0], num_actions=50, table=table)
    assert "choice 2" in path.read_text() and "V(s) = " in path.read_text()
    read = pd.read_csv(table)
    assert set(read["action_1"]) == {0, 1, 2} and set(read["action_2"]) == {0, 1}


def test_actions_are_the_policys_own_and_follow_from_the_seed(hopper):
    (first,), (again,), (other,) = (sample(hopper, steps=[2], seed=seed) for seed in (0, 0, 1))
    assert first.actions.shape == (4000, 4)
    assert first.num_bins is None
    np.testing.assert_array_equal(first.actions, again.actions)
    assert not np.array_equal(first.actions, other.actions)
    # A flow that has learned nothing is uniform.
    np.testing.assert_allclose(first.actions.mean(axis=0), 0.0, atol=0.05)
    np.testing.assert_allclose(first.actions.var(axis=0), 1 / 3, atol=0.03)


def test_the_actions_drawn_can_be_written_as_a_table(tmp_path, hopper):
    table = tmp_path / "actions.csv"
    draw(hopper, tmp_path / "policy.png", steps=[0, 3], num_actions=20, table=table)
    read = pd.read_csv(table)
    assert read.columns.tolist() == ["state", "action_1", "action_2", "action_3", "action_4"]
    assert read["state"].tolist() == ["step 0"] * 20 + ["step 3"] * 20
    first, _ = sample(hopper, steps=[0, 3], num_actions=20)
    np.testing.assert_allclose(read.iloc[:20, 1:], first.actions, rtol=1e-6)
    of_a_set = policy_picture._tabulated([SampledActions("here", np.array([2, 0]), numbers=(3,))])
    assert of_a_set.to_dict("list") == {"state": ["here"] * 2, "action": [2, 0]}


def test_several_states_are_those_of_one_episode(tmp_path):
    folder = make_run(tmp_path / "run", MATCH, "iq", moved=0.05)
    together = sample(folder, steps=[0, 5], num_actions=200)
    assert [drawn.label for drawn in together] == ["step 0", "step 5"]
    for drawn, step in zip(together, (0, 5), strict=True):
        (alone,) = sample(folder, steps=[step], num_actions=200)
        np.testing.assert_array_equal(drawn.actions, alone.actions)
        assert drawn.num_bins == 11


def test_a_step_past_the_episodes_end_is_its_last_one_with_a_note(tmp_path, capsys):
    folder = make_run(tmp_path / "run", MATCH, "iq", moved=0.05)
    drawn = sample(folder, steps=[2, EPISODE_STEPS, 100], num_actions=50)
    assert [of.label for of in drawn] == ["step 2", f"step {EPISODE_STEPS - 1}"]
    assert capsys.readouterr().err == (
        "quinoa: note: the episode is over after 10 steps, and has no step 10, 100: its last "
        "action is drawn instead, at step 9.\n"
    )
    (last,) = sample(folder, steps=[EPISODE_STEPS - 1], num_actions=50)
    np.testing.assert_array_equal(last.actions, drawn[1].actions)
    assert capsys.readouterr().err == ""


def test_states_are_given_by_file(hopper, tmp_path):
    values = np.random.default_rng(0).normal(size=(2, 15)).astype(np.float32)
    np.save(tmp_path / "states.npy", values)
    # As Windows begins a file.
    (tmp_path / "state.json").write_text(json.dumps(values[1].tolist()), encoding="utf-8-sig")
    several = policy_picture.read_states(tmp_path / "states.npy")
    (one,) = policy_picture.read_states(tmp_path / "state.json")
    assert [state.label for state in several] == ["states.npy[0]", "states.npy[1]"]
    np.testing.assert_array_equal(one.observation, several[1].observation)
    path = draw(hopper, tmp_path / "policy.svg", states=several, num_actions=50)
    assert "states.npy[1]" in path.read_text()


class TestFiniteSet:
    @pytest.fixture(scope="class")
    def lake(self, tmp_path_factory) -> RunFolder:
        root = tmp_path_factory.mktemp("runs") / "lake"
        return make_run(root, "toy:FrozenLake-v1", DISCRETE, moved=0.05)

    def test_its_probabilities_and_the_value_are_the_agents_own(self, lake):
        experiment = load(lake)
        agent = load_agent(experiment, learner_checkpoints.newest(lake.checkpoints))
        (drawn,) = policy_picture._sample(experiment, agent.policy, [0], (), 4000, 0, agent)
        assert isinstance(experiment.config, tiny_discrete.Config)
        tau = experiment.config.tau
        at_start = np.eye(16, dtype=np.float32)[:1]
        weights = np.exp(agent.policy.q(tf.constant(at_start)).numpy()[0] / tau)
        assert np.ptp(weights) > 0.1 and drawn.of_each is not None
        probabilities, action_values, value = drawn.of_each
        assert probabilities is not None
        np.testing.assert_allclose(probabilities, weights / weights.sum(), rtol=1e-4)
        assert value == pytest.approx(tau * np.log(weights.sum()), rel=1e-4)
        # This agent does not show its Q.
        assert action_values is None
        # What is sampled beside them is of the same distribution.
        shares = np.bincount(drawn.actions, minlength=4) / len(drawn.actions)
        np.testing.assert_allclose(shares, probabilities, atol=0.04)

    def test_they_are_drawn_as_bars(self, lake, tmp_path, monkeypatch):
        figures = []
        monkeypatch.setattr(
            Figure, "savefig", lambda figure, *args, **options: figures.append(figure)
        )
        state = np.eye(16, dtype=np.float32)[0]
        draw(lake, tmp_path / "policy.png", states=[LabelledState(name, state) for name in "ab"])
        (figure,) = figures
        assert "π(a|s) in each state" in figure.texts[0].get_text().replace("\n", " ")
        for axes, name in zip(figure.axes, "ab", strict=True):
            assert axes.get_title(loc="left").startswith(f"{name}: V(s) = ")
            assert len(axes.patches) == 4
            assert sum(bar.get_height() for bar in axes.patches) == pytest.approx(1.0)

    def test_without_a_density_they_are_shares(self, lake, monkeypatch, tmp_path):
        monkeypatch.setattr(tiny_discrete.Policy, "has_density", False)
        path = draw(lake, tmp_path / "policy.svg", steps=[0], num_actions=50)
        text = path.read_text(encoding="utf-8")
        assert "share of the actions" in text and "V(s) = " in text and "π(a|s)" not in text


class TestImages:
    @pytest.fixture(scope="class", params=["dqn", "iq"])
    def breakout(self, request, tmp_path_factory) -> RunFolder:
        pytest.importorskip("minatar")
        root = tmp_path_factory.mktemp("runs") / request.param
        return make_run(root, "minatar:breakout", request.param, moved=0.05)

    def test_bars_are_of_the_policy_and_of_q_by_action(self, breakout, tmp_path, monkeypatch):
        board = (np.random.default_rng(0).uniform(size=(10, 10, 4)) < 0.2).astype(np.uint8)
        np.save(tmp_path / "board.npy", board)
        (state,) = policy_picture.read_states(tmp_path / "board.npy")
        np.testing.assert_array_equal(state.observation, board)
        agent = load_agent(load(breakout), learner_checkpoints.newest(breakout.checkpoints))
        q = agent.action_values(tf.constant(board[None]))
        assert q is not None
        figures = []
        monkeypatch.setattr(Figure, "savefig", lambda figure, *a, **o: figures.append(figure))
        draw(breakout, tmp_path / "policy.png", steps=[0], states=[state], num_actions=50)
        (figure,) = figures
        # Of each state, π and Q.
        assert [len(axes.patches) for axes in figure.axes] == [6] * 4
        probabilities, values = ([bar.get_height() for bar in of.patches] for of in figure.axes[2:])
        assert sum(probabilities) == pytest.approx(1.0)
        np.testing.assert_allclose(values, q[0], rtol=1e-4, atol=1e-6)
        assert figure.axes[3].get_ylabel() == "Q(s, a)"

    def test_a_state_of_another_shape_is_one_error(self, breakout, tmp_path):
        with pytest.raises(ExperimentError, match=r"has the shape \[10, 10, 4\], and it \[3\]"):
            states = [LabelledState("it", np.zeros(3, np.float32))]
            draw(breakout, tmp_path / "policy.png", states=states)


def test_several_images_are_given_by_one_file(tmp_path):
    images = np.random.default_rng(0).integers(256, size=(2, 6, 5, 3), dtype=np.uint8)
    (tmp_path / "images.json").write_text(json.dumps(images.tolist()))
    found = policy_picture.read_states(tmp_path / "images.json")
    assert [state.label for state in found] == ["images.json[0]", "images.json[1]"]
    for state, image in zip(found, images, strict=True):
        np.testing.assert_array_equal(state.observation, image)
        assert state.observation.dtype == np.uint8


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("image.json", "[[[0.5]]]", "integers from 0 to 255"),
        ("image.json", "[[[256]]]", "integers from 0 to 255"),
        ("missing.npy", None, "No such file"),
        ("state.txt", "1 2", "must end in .npy or .json"),
        ("state.json", "{}", "cannot be read"),
        ("state.json", "[1, [2]]", "cannot be read"),
        ("state.json", "[1, NaN]", "must be finite numbers"),
        ("state.json", "[]", "must be finite numbers"),
        ("state.npy", "no array", "cannot be read"),
        ("state.npy", "", "cannot be read"),
    ],
)
def test_a_file_that_holds_no_states_is_one_error(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(ExperimentError, match=message) as caught:
        policy_picture.read_states(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_state_of_another_environment_is_one_error(hopper, tmp_path):
    with pytest.raises(ExperimentError, match="has 15 numbers, and mine 3"):
        draw(
            hopper, tmp_path / "policy.png", states=[LabelledState("mine", np.zeros(3, np.float32))]
        )


def test_a_run_without_a_checkpoint_is_one_error(tmp_path):
    folder = make_run(tmp_path / "run", MATCH, "iq")
    for checkpoint in folder.checkpoints.iterdir():
        checkpoint.rename(tmp_path / "elsewhere")
    with pytest.raises(RunError, match="no checkpoint"):
        learner_checkpoints.chosen(folder.checkpoints, None)
