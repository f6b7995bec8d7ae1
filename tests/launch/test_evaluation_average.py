"""Where evaluations have an average of the policy's parameters, all but actors have it."""

from __future__ import annotations

import dataclasses
import threading

import numpy as np
import pandas as pd
import reverb

from quinoa.agents import parameter_vector
from quinoa.agents.policies import standalone
from quinoa.launch.checkpoints import learner_checkpoints
from quinoa.launch.metrics.counter import Counter
from quinoa.launch.nodes.addresses import FixedAddresses
from quinoa.launch.nodes.learner import LearnerNode
from quinoa.launch.nodes.peers import ReplayPeer
from quinoa.launch.roles.turns import Turns
from quinoa.launch.run.roles import Role
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.trained.evaluate import load_agent, load_policy
from quinoa.launch.trained.export import export
from tests.agents.fixtures import make_transitions
from tests.launch.helpers import experiment

OF = experiment(
    agent_config=dataclasses.replace(experiment().learner_config, evaluation_average=0.01),
    steps=1000,
    evaluation_period=400,
)


def test_turns_evaluate_it_and_a_checkpoint_gives_it_back(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.create()
    counter = Counter(folder, OF.budget)
    turns = Turns(OF, folder, None, counter.report, should_stop=lambda: False)
    evaluated = []

    def turn(*arguments):
        assert turns._evaluated_policy is turns._evaluating._policy
        evaluated.append(parameter_vector.flatten(turns._evaluated_policy._policy))
        expected.append(turns._learner.evaluation_parameters())
        return original(*arguments)

    expected: list[np.ndarray] = []
    original, turns._evaluating.turn = turns._evaluating.turn, turn  # type: ignore[method-assign]
    while not turns.is_over:
        turns.take()
    turns.save_last()
    turns.close()
    counter.close()
    assert len(evaluated) == 3
    np.testing.assert_array_equal(evaluated, expected)
    assert len(pd.read_csv(folder.metrics("evaluator"))) == 3

    learner = turns._learner
    average, latest = learner.evaluation_parameters(), learner.parameters()
    assert np.abs(average - latest).max() > 1e-3
    checkpoint = learner_checkpoints.newest(folder.checkpoints)
    np.testing.assert_array_equal(checkpoint.policy_parameters(), average)
    policy = load_policy(OF, checkpoint)
    np.testing.assert_array_equal(parameter_vector.flatten(policy), average)
    agent = load_agent(OF, checkpoint)
    np.testing.assert_array_equal(parameter_vector.flatten(agent.policy), average)

    out = tmp_path / "exported"
    export(folder, OF, checkpoint, out)
    states = np.random.default_rng(0).uniform(-1, 1, (32, 2)).astype(np.float32)
    exported = standalone.Policy.load(out / "policy.npz")
    np.testing.assert_allclose(exported.mode(states), policy(states).mode(), atol=1e-6)


def test_a_learner_serves_it_beside_what_actors_get(tmp_path):
    folder = RunFolder(tmp_path)
    folder.create()
    counter = Counter(folder, OF.budget)
    server = reverb.Server(OF.make_source().tables())
    peer = ReplayPeer(FixedAddresses({Role.REPLAY: f"localhost:{server.port}"}))
    node = LearnerNode(OF, folder, peer, counter.report, threading.Event())
    node._learner.step(make_transitions(5, 64, observation_size=2, action_size=1))
    node._publish()
    latest, evaluated = node.get_parameters(-1), node.get_evaluation_parameters(-1)
    assert latest is not None and evaluated is not None
    assert latest[0] == evaluated[0] == 5
    np.testing.assert_array_equal(latest[1], node._learner.parameters())
    np.testing.assert_array_equal(evaluated[1], node._learner.evaluation_parameters())
    assert np.any(latest[1] != evaluated[1])
    assert node.get_evaluation_parameters(5) is None
    server.stop()
    counter.close()
