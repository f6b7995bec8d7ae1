from __future__ import annotations

import threading

import pandas as pd
import pytest

from quinoa.agents import registry
from quinoa.agents.parameter_vector import flatten
from quinoa.launch.errors import FatalError
from quinoa.launch.nodes import acting_plan
from quinoa.launch.nodes import evaluator as evaluator_module
from quinoa.launch.nodes.evaluator import EvaluatorNode
from quinoa.launch.run.run_folder import RunFolder
from tests.launch.helpers import experiment, wait_until
from tests.launch.reports import report


@pytest.fixture
def evaluated(counter, tmp_path):
    """The evaluator's rows so far."""

    def rows() -> pd.DataFrame:
        counter.save()
        path = RunFolder(tmp_path).metrics("evaluator")
        return pd.read_csv(path) if path.is_file() else pd.DataFrame()

    return rows


def parameters(version: int):
    of = experiment()
    policy = registry.load(of.agent).agent_class.make_policy(of.config, of.spec())
    return version, flatten(policy)


def plan():
    of = experiment()
    policy = registry.load(of.agent).agent_class.make_policy(of.config, of.spec())
    return acting_plan.encoded(policy, of.make_source())


def test_evaluates_once_past_each_multiple_and_waits_for_the_learner(
    counter, evaluated, monkeypatch
):
    monkeypatch.setattr(evaluator_module, "_PERIOD_S", 0.05)
    answers = [TimeoutError("starting"), TimeoutError("starting"), parameters(7)]

    def get_parameters(known_version):
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    stop = threading.Event()
    node = EvaluatorNode(
        experiment(evaluation_period=100, evaluation_episodes=3),
        get_parameters,
        plan,
        counter.report,
        stop,
    )
    thread = threading.Thread(target=node.run)
    thread.start()
    try:
        assert wait_until(lambda: len(evaluated()) == 1, 30)
        for steps, count in ((99, 1), (100, 2), (150, 2), (450, 3), (499, 3), (500, 4)):
            report(counter, "a", actor_steps=steps)
            assert wait_until(lambda: len(evaluated()) == count, 30)  # noqa: B023
            stop.wait(2 * evaluator_module._PERIOD_S + 0.05)
            assert len(evaluated()) == count
    finally:
        stop.set()
        thread.join(20)
    assert not thread.is_alive()
    table = evaluated()
    assert table["actor_steps"].tolist() == [0, 100, 450, 500]
    assert table["learner_steps"].tolist() == [7] * 4
    assert table["episodes"].tolist() == [3] * 4
    # Other episodes each time.
    assert table["episode_return"].nunique() == 4


def test_a_learner_that_never_answers_is_an_error(counter, monkeypatch, tmp_path):
    def lost(known_version):
        raise TimeoutError("nobody there")

    monkeypatch.setattr(evaluator_module, "UNREACHABLE_S", 0.5)
    node = EvaluatorNode(experiment(), lost, plan, counter.report, threading.Event())
    with pytest.raises(ConnectionError, match="nobody there"):
        node.run()


def test_an_environment_that_fails_always_ends_the_run_rather_than_the_evaluator(counter, tmp_path):
    of = experiment(environment="tests.launch.factories:fails_in_its_first_episode")
    answer = parameters(7)
    node = EvaluatorNode(of, lambda known: answer, plan, counter.report, threading.Event())
    with pytest.raises(FatalError, match=r"fails too often: .*the environment's own error"):
        node.run()


def test_a_learner_that_is_never_there_is_an_error(counter, monkeypatch):
    def lost():
        raise TimeoutError("nobody there")

    monkeypatch.setattr(evaluator_module, "UNREACHABLE_S", 0.5)
    node = EvaluatorNode(experiment(), parameters, lost, counter.report, threading.Event())
    with pytest.raises(ConnectionError, match="nobody there"):
        node.run()
