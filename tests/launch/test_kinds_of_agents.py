"""Agents of other kinds than the built-in ones, through the serial engine and the nodes' code."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
import pytest
import reverb

from quinoa.agents import registry
from quinoa.agents.config import OffPolicyConfig
from quinoa.launch.checkpoints import learner_checkpoints
from quinoa.launch.engines import make
from quinoa.launch.engines.base import ProcessContext
from quinoa.launch.errors import ExperimentError
from quinoa.launch.experiment import Experiment, validation
from quinoa.launch.metrics.counter import Counter
from quinoa.launch.nodes.actor import ActorNode
from quinoa.launch.nodes.addresses import FixedAddresses
from quinoa.launch.nodes.learner import LearnerNode
from quinoa.launch.nodes.peers import ReplayPeer
from quinoa.launch.run.budget import Budget
from quinoa.launch.run.result import Outcome
from quinoa.launch.run.roles import Role
from quinoa.launch.run.run_folder import RunFolder
from tests.launch.factories import BEST_RETURN, EPISODE_STEPS
from tests.launch.helpers import experiment, wait_until

ON_POLICY, DISCRETE = "tests.agents.tiny_on_policy", "tests.agents.tiny_discrete"
CHOOSE = "tests.launch.factories:choose"
CHOOSE_TWO = "tests.launch.factories:choose_two"


def of_agent(name: str, **changes) -> Experiment:
    """A small experiment in two actors of four environments."""
    config = registry.load(name).config
    if name == ON_POLICY:
        changes = {"steps_per_call": 1, **changes}
    return experiment(agent=name, agent_config=config, samples_per_insert=None, **changes)


KINDS: dict[str, Callable[..., Experiment]] = {
    "on-policy": lambda **changes: of_agent(ON_POLICY, **{"steps": 6000, **changes}),
    "discrete": lambda **changes: of_agent(
        DISCRETE, **{"environment": CHOOSE, "steps": 1000, **changes}
    ),
}
EVERY = pytest.mark.parametrize("kind", KINDS)


def run(of: Experiment, root) -> RunFolder:
    folder = RunFolder(root)
    folder.create()
    result = make("serial", ProcessContext({})).run(of, folder, lambda status: None)
    assert result.outcome is Outcome.FINISHED
    return folder


@pytest.mark.usefixtures("shared_learners")
class TestSerial:
    @EVERY
    def test_learns_and_is_the_same_bit_for_bit(self, kind, tmp_path):
        folder = run(KINDS[kind](evaluation_period=10**6), tmp_path / "whole")
        actors = pd.read_csv(folder.metrics("actor"))
        # What sampled actions get, at the end.
        best = BEST_RETURN if kind == "on-policy" else EPISODE_STEPS
        assert actors["episode_return"].dropna().iloc[-10:].mean() > 0.85 * best
        short = KINDS[kind](evaluation_period=10**6, steps=960)
        first, second = (run(short, tmp_path / name) for name in ("first", "second"))
        newest = [learner_checkpoints.newest(folder.checkpoints) for folder in (first, second)]
        parameters = [checkpoint.policy_parameters() for checkpoint in newest]
        assert parameters[0].tobytes() == parameters[1].tobytes()
        if kind == "on-policy":
            # Every step is learned from once, with what it was acted with.
            counts = newest[0].counts()
            assert counts.actor_steps == 960
            assert counts.learner_steps == 960 // 64
            assert pd.read_csv(first.metrics("learner"))["gap"].max() < 1e-4
            # There is nothing in its replay that would be worth a checkpoint.
            assert not first.replay.exists()


OF_DQN: dict[str, Any] = {"target_period": 50, "epsilon_steps": 1000}
OF_A2C: dict[str, Any] = {"batch_size": 40, "learning_rate": 1e-2}
OF_M_IQ: dict[str, Any] = {"batch_size": 64, "samples_per_insert": 64.0, "target_rate": 0.05}
BUILT_IN: list[tuple[str, str, dict[str, Any]]] = [
    ("dqn", CHOOSE, {**OF_DQN, "n_step": 3, "double": True}),
    ("m_iq", CHOOSE_TWO, OF_M_IQ),
    ("soft_q_a2c", CHOOSE_TWO, OF_A2C),
]
# Of the same agents, with other settings.
MORE: list[tuple[str, str, dict[str, Any]]] = [
    ("dqn", CHOOSE, OF_DQN),
    ("soft_dqn_kl", CHOOSE, {**OF_DQN, "tau": 0.05, "n_step": 3}),
    ("soft_dqn_entropy", CHOOSE, {**OF_DQN, "tau": 0.05}),
    ("a2c", CHOOSE, OF_A2C),
    ("a2c_proper", CHOOSE_TWO, OF_A2C),
]


class TestBuiltInOnFiniteSets:
    @pytest.mark.parametrize(
        ("name", "environment", "own"),
        [*BUILT_IN, *(pytest.param(*of, marks=pytest.mark.slow) for of in MORE)],
    )
    def test_learns_and_is_evaluated_by_its_mode(self, name, environment, own, tmp_path):
        settings: dict[str, Any] = {"discount": 0.5, "hidden_sizes": (32,), "learning_rate": 3e-3}
        config = registry.load(name).config
        if isinstance(config, OffPolicyConfig):
            settings["min_replay_size"] = 200
        config = dataclasses.replace(config, **{**settings, **own})
        of = experiment(
            agent=name,
            agent_config=config,
            environment=environment,
            samples_per_insert=None,
            steps=2000,
            **({} if isinstance(config, OffPolicyConfig) else {"steps_per_call": 1}),
            evaluation_period=1000,
        )
        folder = run(of, tmp_path / "run")
        actors = pd.read_csv(folder.metrics("actor"))["episode_return"].dropna()
        evaluations = pd.read_csv(folder.metrics("evaluator"))["episode_return"]
        # At random it would be a third of it, or 0.42 of two choices.
        assert actors.iloc[-10:].mean() > 0.85 * EPISODE_STEPS
        assert evaluations.iloc[-1] > 0.97 * EPISODE_STEPS


@contextlib.contextmanager
def nodes(of: Experiment, folder: RunFolder) -> Iterator[tuple[Counter, LearnerNode]]:
    """A learner and two actors as their processes run them, in threads of this one."""
    stop = threading.Event()
    server = reverb.Server(list(of.make_source().tables()))
    peer = ReplayPeer(FixedAddresses({Role.REPLAY: f"localhost:{server.port}"}))
    counter = Counter(folder, Budget(10**9))
    learner = LearnerNode(of, folder, peer, counter.report, stop)

    def act(index: int) -> None:
        ask = learner.get_parameters, learner.get_acting_plan
        actor = ActorNode(of, index, peer, *ask, counter.report, stop)
        with contextlib.suppress(SystemExit):
            actor.run()

    threads = [threading.Thread(target=learner.run)]
    threads += [threading.Thread(target=act, args=(index,)) for index in range(of.num_actors)]
    for thread in threads:
        thread.start()
    try:
        yield counter, learner
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive()
        counter.close()
        server.stop()


class TestNodes:
    @EVERY
    def test_act_and_learn(self, kind, tmp_path):
        folder = RunFolder(tmp_path / "run")
        folder.create()
        with nodes(KINDS[kind](steps=10**9), folder) as (counter, learner):
            assert wait_until(lambda: learner._learner.steps >= 30, 60)
            assert wait_until(lambda: counter.status().counts.learner_steps >= 30, 60)
            # The learner sends its first row after a second.
            assert wait_until(lambda: counter.status().waiting is not None, 60)
        status = counter.status()
        rows = pd.read_csv(folder.metrics("learner"))
        if kind == "on-policy":
            # A batch for each gradient step, and at most one more under way.
            assert 0 <= status.counts.actor_steps - 64 * status.counts.learner_steps <= 2 * 64
            assert rows["gap"].max() < 1e-4
            assert (pd.read_csv(folder.metrics("actor"))["parameter_age"] <= 1).all()


class TestWrongPairs:
    @pytest.mark.parametrize(
        ("agent", "environment", "message"),
        [
            (
                "sac",
                CHOOSE,
                "takes actions from a box .*, but the environment's actions are one of 3: take",
            ),
            (
                "dqn",
                CHOOSE_TWO,
                "takes one choice .*, but .* are 2 choices at once, from 3, 2: take",
            ),
            (
                DISCRETE,
                "tests.launch.factories:match",
                r"takes actions from a finite set, but .* are float32 vectors \[1\] in \[-1, 1\]",
            ),
        ],
    )
    def test_are_one_sentence_before_anything_starts(self, agent, environment, message):
        with pytest.raises(ExperimentError, match=message) as error:
            validation.validate(of_agent(agent, environment=environment, steps=10_000))
        assert "\n" not in str(error.value) and "SpecError" not in str(error.value)

    def test_right_ones_are_accepted(self):
        for kind in KINDS.values():
            assert validation.validate(kind(steps=10_000)).layout is not None


class TestOnPolicySettings:
    def test_a_batch_that_the_environments_do_not_make_up_is_refused(self):
        of = of_agent(ON_POLICY, num_actors=3, environments_per_actor=1)
        with pytest.raises(
            ExperimentError, match=r"batch_size = 64 .* multiple of 12: segment_len"
        ):
            validation.validate(of)

    def test_a_ratio_is_refused(self):
        with pytest.raises(ExperimentError, match="samples_per_insert = 4 cannot work with this"):
            experiment(
                agent=ON_POLICY,
                agent_config=registry.load(ON_POLICY).config,
                samples_per_insert=4.0,
            )

    def test_more_than_one_gradient_step_a_call_is_refused(self):
        message = "steps_per_call = 50 cannot work with this .* 1 gradient step at a time: give"
        with pytest.raises(ExperimentError, match=message):
            validation.validate(of_agent(ON_POLICY, steps_per_call=50))

    def test_a_run_that_ends_before_the_first_batch_is_refused(self):
        with pytest.raises(ExperimentError, match=r"it is done on 64 transitions .*\(batch_size\)"):
            validation.validate(of_agent(ON_POLICY, steps=64))
