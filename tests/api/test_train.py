from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

import quinoa
from quinoa.agents import registry
from quinoa.agents.learner import Learner
from quinoa.callbacks import CallbackList
from quinoa.config import parsing
from quinoa.environments import CanonicalEnvironment
from quinoa.launch.run.counts import Counts
from quinoa.launch.run.status import Status
from tests.api.own import EPISODE, SMALL, SMALLEST, Toy, ToyOfDm
from tests.launch.helpers import wait_until

pytestmark = pytest.mark.usefixtures("shared_learners")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run in an environment that was given as a function without a name."""
    root = tmp_path_factory.mktemp("api") / "run"
    told = []
    run = quinoa.train(
        "iq",
        env=lambda seed: Toy(worth=2.0),
        engine="serial",
        folder=root,
        seed=4,
        callbacks=lambda run, event: told.append((run, event)),
        **SMALL,
    )
    return run, told


def test_the_run_has_what_was_said_and_what_came_of_it(trained):
    run, _ = trained
    assert run.outcome == "finished"
    assert run.status()["state"] == "ended" and run.status()["actor_steps"] == 300
    config = run.config
    assert (config["agent"], config["environment"]) == ("iq", "lambda")
    assert (config["batch_size"], config["seed"], config["steps"]) == (8, 4, 300)
    curve = run.curve()
    assert {"actor_steps", "learner_steps", "hours", "episode_return"} <= set(curve.columns)
    assert curve["actor_steps"].iloc[-1] == 300
    assert (curve["episode_return"] == 2.0 * EPISODE).all()
    assert len(run.metrics("learner")) and len(run.curve("actor"))
    assert (run.evaluations["episode_length"] == EPISODE).all()
    assert run.checkpoints[-1] == run.status()["learner_steps"]


def test_callbacks_hear_of_each_evaluation_once(trained):
    run, told = trained
    assert all(of is run for of, _ in told)
    evaluations = [event for _, event in told if event.kind == "evaluation"]
    assert [event.actor_steps for event in evaluations] == run.curve()["actor_steps"].tolist()
    assert all(event.values["episode_return"] == 2.0 * EPISODE for event in evaluations)
    assert any(event.kind == "report" for _, event in told)


def test_its_policy_takes_raw_observations_and_gives_the_environments_actions(trained):
    run, _ = trained
    policy = run.policy()
    environment = Toy()
    observation, _ = environment.reset()
    action = policy(observation)
    assert environment.action_space.contains(action)
    np.testing.assert_array_equal(policy(observation), action)
    assert policy.predict(observation) == (action, None)
    # As Stable-Baselines3's evaluate_policy calls it, and by position in its order.
    start = np.ones(1, bool)
    named = {"state": None, "episode_start": start, "deterministic": True}
    assert policy.predict(observation, **named) == (action, None)
    by_position = {float(policy.predict(observation, None, start, False)[0]) for _ in range(5)}
    assert len(by_position) > 1
    drawn = [policy(observation, sample=True)[0] for _ in range(5)]
    assert len(set(drawn)) > 1
    again = [policy(observation, sample=True, seed=3)[0] for _ in range(2)]
    assert again[0] == again[1]
    batch = {"mark": np.zeros((3, 2)), "count": np.array([0, 0, 0])}
    np.testing.assert_allclose(policy(batch), [action] * 3, atol=1e-6)
    with pytest.raises(ValueError, match=r"observation\['count'\] is missing"):
        policy(np.zeros(2))


def test_what_it_has_learned_is_evaluated_where_it_was_trained(trained):
    run, _ = trained
    evaluation = quinoa.load(run.path).evaluate(episodes=3, seeds=[1, 2])
    assert (len(evaluation), evaluation.mean(), evaluation.std()) == (6, 2.0 * EPISODE, 0.0)
    assert evaluation.lengths.tolist() == [EPISODE] * 6
    assert str(evaluation) == "20.0 ± 0.0 (6 episodes)"
    # Another one of the same layout.
    assert quinoa.load(run.path, env=Toy).evaluate(2).mean() == EPISODE


def test_a_program_that_has_not_the_environment_is_told_to_give_it(trained, quinoa_command):
    run, _ = trained
    status, _, err = quinoa_command("evaluate", str(run.path))
    assert status == 2 and "was given as a Python object" in " ".join(err.split())
    status, out, _ = quinoa_command("evaluate", str(run.path), "--env=tests.api.own:Toy")
    assert status == 0 and "Return: 10.0" in out


# A video shows itself in the notebook: tests/docs/test_api.py.
def test_a_comparison_is_a_figure(trained, tmp_path):
    run, _ = trained
    figure = quinoa.compare([run], out=tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 1000
    assert figure.axes[0].get_title() == "lambda"
    assert figure._repr_png_().startswith(b"\x89PNG")  # type: ignore[attr-defined]


def test_it_goes_on_where_it_ended(trained, tmp_path):
    run, _ = trained
    more = quinoa.resume(run, steps=500, engine="serial", progress=False)
    assert more.path == run.path and more.status()["actor_steps"] == 500
    with pytest.raises(quinoa.ExperimentError, match="has done its 500 steps"):
        quinoa.resume(run, engine="serial", progress=False)
    with pytest.raises(quinoa.ExperimentError, match="Did you mean steps"):
        quinoa.resume(run, stepz=3)
    with pytest.raises(quinoa.ExperimentError, match="environment"):
        quinoa.resume(run, env=42)
    with pytest.raises(quinoa.ExperimentError, match="env_kwargs: worth"):
        quinoa.resume(run, env_kwargs={"worth": object()})


@pytest.mark.parametrize("option", ["engine", "folder", "attach"])
def test_what_is_not_of_an_experiment_is_said(option):
    options: dict[str, Any] = {option: "serial"}
    with pytest.raises(quinoa.ExperimentError, match=f"In Python, {option} is given by"):
        quinoa.Experiment("iq", env=Toy, **options)


@pytest.mark.parametrize(
    ("env", "name"),
    [
        (Toy, "tests.api.own:Toy"),
        ("tests.api.own:ToyOfDm", "tests.api.own:ToyOfDm"),
        (lambda: ToyOfDm(), "lambda"),
        (lambda index: ToyOfDm(seed=index), "lambda"),
        (Toy(worth=1.0), "Toy"),
        (ToyOfDm(), "ToyOfDm"),
    ],
)
def test_environments_of_every_form(env, name):
    experiment = quinoa.Experiment("iq", env=env).resolve()
    assert experiment.environment == name
    batch = experiment.make_environments(1, "actor")
    batch.reset()
    steps = [batch.step([[0.0]]) for _ in range(EPISODE)]
    assert steps[-1].last.all() and steps[-1].episode_return == EPISODE
    batch.close()


def test_an_environment_that_only_this_program_has_registered(tmp_path):
    import gymnasium

    gymnasium.register("QuinoaToy-v0", entry_point=Toy)  # type: ignore[arg-type]
    try:
        run = quinoa.train(
            env="gym:QuinoaToy-v0",
            env_kwargs={"worth": 3},
            engine="serial",
            folder=tmp_path / "run",
            **SMALL,
        )
        assert run.evaluate(1).mean() == 3 * EPISODE
    finally:
        del gymnasium.registry["QuinoaToy-v0"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"learning_rat": 1}, "no learning_rat to be set. Did you mean learning_rate"),
        ({"num_actor": 1}, "no num_actor to be set. Did you mean num_actors"),
        ({"preset": "dm_control/m_iq", "tua": 1}, "no tua to be set. Did you mean tau"),
        ({"tau": -1.0}, "tau = -1.0 cannot work"),
        ({"steps": 0}, "must be a whole number, at least 1"),
        ({"agent": "iqq"}, "There is no agent 'iqq'"),
        ({"gamma": 0.9}, "no gamma to be set. What other libraries call gamma is discount"),
        ({"total_timesteps": 9}, "What other libraries call total_timesteps is steps"),
        ({"env": "control:walker:wlak"}, "Did you mean control:walker:walk"),
        ({"env": 3}, "env = 3 cannot work"),
        ({"env_kwargs": {"map": object()}}, "cannot be stored as JSON"),
        ({"resume": "x"}, "In Python, resume is given by quinoa.resume"),
        ({"settings": {"tau": 0.1}, "tau": 0.2}, "tau is given twice"),
        ({"env": ToyOfDm(), "num_actors": 2}, "would all draw the same random numbers"),
    ],
)
def test_what_cannot_work_is_said_before_anything_starts(arguments, message, tmp_path):
    with pytest.raises(quinoa.ExperimentError) as raised:
        quinoa.train(folder=tmp_path / "run", **arguments)
    assert message in str(raised.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("error", [ZeroDivisionError("of the callback"), SystemExit("of it")])
def test_an_error_of_the_users_own_is_raised_as_it_is(error, tmp_path):
    told = []

    def wrong(run, event):
        told.append(event)
        raise error

    # So long that it cannot be over before the error is heard of.
    small = {**SMALL, "steps": 10**6}
    with pytest.raises(type(error), match=str(error)):
        quinoa.train(env=Toy, engine="serial", folder=tmp_path / "run", callbacks=wrong, **small)
    # Not of anything that comes afterwards.
    assert len(told) == 1
    run = quinoa.load(tmp_path / "run")
    assert run.outcome == "stopped" and run.checkpoints


@pytest.mark.parametrize("kind", [bool, np.bool_])
def test_a_callback_that_returns_false_is_heard_whatever_another_one_says(kind, trained):
    run, _ = trained
    status = Status(counts=Counts(actor_steps=1), steps=10, wall_time=0.0)
    for answers, goes_on in (
        ([kind(True)], True),
        # Only False itself ends a run.
        ([None, 0], True),
        ([kind(False), kind(True)], False),
        ([None, kind(False)], False),
    ):
        callbacks = [lambda run, event, answer=answer: answer for answer in answers]
        assert CallbackList(run, callbacks).report(status) is goes_on


def test_a_callback_ends_a_run_in_order(tmp_path, capsys):
    # As a comparison of NumPy's numbers gives it.
    made: Any = np.bool_
    small = {**SMALL, "steps": 10**6}
    run = quinoa.train(
        env=Toy,
        engine="serial",
        folder=tmp_path / "run",
        callbacks=lambda run, event: made(event.actor_steps < 200),
        **small,
    )
    assert run.outcome == "stopped"
    assert 200 <= run.status()["actor_steps"] < 10**6
    # Nobody pressed Ctrl-C, and is to hear of that.
    assert capsys.readouterr().err == ""


def test_the_arguments_of_an_environment_with_a_name_stay_with_the_run(tmp_path):
    name = "tests.api.own:Toy"
    run = quinoa.train(
        env=name,
        env_kwargs={"worth": 3},
        engine="serial",
        folder=tmp_path / "run",
        **SMALL,
    )
    runs = [run, quinoa.load(run.path), *(quinoa.load(run.path, env=env) for env in (Toy, name))]
    assert [each.evaluate(1).mean() for each in runs] == [3 * EPISODE] * 4
    # Another one need not know them.
    assert quinoa.load(run.path, env=lambda: Toy(worth=2)).evaluate(1).mean() == 2 * EPISODE
    more = quinoa.resume(run, steps=500, engine="serial", progress=False)
    assert more.curve()["episode_return"].unique().tolist() == [3 * EPISODE]


def test_several_runs_at_once_in_threads_give_what_each_gives_alone(tmp_path, monkeypatch):
    # New ones, each with a graph of its own.
    monkeypatch.setattr("quinoa.launch.roles.learning.Learner", Learner)

    def train(name: str, seed: int) -> quinoa.Run:
        return quinoa.train(
            engine="serial", folder=tmp_path / name, seed=seed, wait=False, **SMALLEST
        )

    runs = [train("a", 1), train("b", 2)]
    assert all(run.wait(timeout=200).outcome == "finished" for run in runs)
    alone = []
    thread = threading.Thread(target=lambda: alone.append(train("c", 1).wait()))
    thread.start()
    thread.join(200)
    parameters = [
        quinoa.load(tmp_path / name)._checkpoint(None).policy_parameters() for name in "abc"
    ]
    np.testing.assert_array_equal(parameters[0], parameters[2])
    assert (parameters[0] != parameters[1]).any()
    with pytest.raises(quinoa.RunError, match="not a run of this process"):
        quinoa.load(runs[0].path).stop()


def test_a_run_goes_on_beside_the_program_and_ends_when_it_is_told(tmp_path):
    small = {**SMALL, "steps": 10**7}
    run = quinoa.train(env=Toy, engine="serial", folder=tmp_path / "run", wait=False, **small)
    with pytest.raises(TimeoutError):
        run.wait(timeout=0.1)
    assert wait_until(lambda: run.status().get("actor_steps", 0) > 0)
    assert run.status()["state"] == "running" and run.outcome is None
    run.stop()
    assert run.wait(timeout=120).outcome == "stopped"
    assert run.checkpoints


def test_an_experiment_is_a_value_that_is_checked_and_trained(tmp_path):
    """In an environment that is ready, which stays as it is and is copied."""
    env = Toy()
    env.reset(seed=0)
    env.step(np.zeros(1, np.float32))
    small = {name: value for name, value in SMALL.items() if name != "progress"}
    experiment = quinoa.Experiment("m_iq", env=env, tau=0.02, **small)
    assert experiment.resolve().config == parsing.override(
        registry.load_config("m_iq").config,
        {
            **{"tau": "0.02", "min_replay_size": "100", "batch_size": "8", "hidden_sizes": "8"},
            "samples_per_insert": "16",
        },
    )
    assert "'m_iq'" in repr(experiment) and "tau=0.02" in repr(experiment)
    run = quinoa.train(experiment, engine="serial", folder=tmp_path / "run", progress=False)
    assert run.config["alpha"] == 0.9
    assert (run.evaluations["episode_return"] == EPISODE).all()
    # By the run's environments, and by the evaluation's.
    assert (run.curve("actor")["episode_return"].dropna() == EPISODE).all()
    assert env.steps == 1
    with pytest.raises(quinoa.ExperimentError, match="has its environment and options already"):
        quinoa.train(experiment, steps=3)


def test_what_there_is(tmp_path):
    assert "iq" in quinoa.list_agents()
    assert "control:walker:walk" in quinoa.list_environments()
    environment = quinoa.make_env(Toy, 3, env_kwargs={"worth": 2})
    assert isinstance(environment, CanonicalEnvironment)
    assert environment.reset().observation.shape == (2 + EPISODE + 1,)
    assert environment.step([0.0]).reward == 2
    with pytest.raises(quinoa.ExperimentError, match="There is no environment"):
        quinoa.make_env("nowhere")
    with pytest.raises(quinoa.RunError, match="There is no run"):
        quinoa.load(tmp_path / "nowhere")
