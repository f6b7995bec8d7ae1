"""What a step costs, in counts that do not depend on the clock: one that gets dearer fails here."""

import contextlib

import numpy as np
import pytest
import reverb
import tensorflow as tf
from tensorflow.python.eager.polymorphic_function import monomorphic_function

from quinoa.agents import iq, quinoa, sac
from quinoa.agents.actor import Actor
from quinoa.agents.compiled_policy import CompiledPolicy
from quinoa.agents.learner import Learner
from quinoa.agents.parameter_vector import flatten
from quinoa.agents.parameters import PublishedParameters
from quinoa.agents.protocol import OffPolicyConfig
from quinoa.agents.replay import TABLE, SegmentWriter, make_table
from quinoa.agents.rows import RowLayout, valid
from quinoa.environments import EnvironmentBatch, environment_spec, make
from tests.agents.fixtures import make_spec, make_transitions
from tests.agents.replay.helpers import serve, settled_size
from tests.agents.test_learner import AGENTS as SMALL_AGENTS

NUM_ENVIRONMENTS = 8
SEGMENT_LENGTH = 16
AGENTS = pytest.mark.parametrize("agent", [iq, quinoa, sac])


class Calls:
    """Counts the graphs that Python has had TensorFlow run."""

    def __init__(self, monkeypatch):
        self.count = 0
        call_flat = monomorphic_function.ConcreteFunction._call_flat

        def counted(function, *arguments, **named):
            # What is called while a graph is being made runs as a part of that graph.
            self.count += tf.executing_eagerly()
            return call_flat(function, *arguments, **named)

        monkeypatch.setattr(monomorphic_function.ConcreteFunction, "_call_flat", counted)


@contextlib.contextmanager
def acting(agent):
    """An actor in a real environment, beside a real server; yields both, and the spec."""
    config = agent.Config(segment_length=SEGMENT_LENGTH, min_replay_size=SEGMENT_LENGTH)
    batch = EnvironmentBatch([make("control:cartpole:swingup", i) for i in range(NUM_ENVIRONMENTS)])
    spec = environment_spec(batch.environments[0])
    with serve(
        make_table(config, RowLayout(spec), samples_per_insert=0, steps_per_call=1)
    ) as address:
        writer = SegmentWriter(address, NUM_ENVIRONMENTS, config, RowLayout(spec))
        policy = CompiledPolicy(agent.Agent.make_policy(config, spec))
        actor = Actor(policy, batch, writer, seed=0, parameters=None)
        yield actor, address, spec
        actor.close()


@AGENTS
def test_one_policy_call_serves_all_environments_of_an_actor(agent, monkeypatch):
    with acting(agent) as (actor, _, _):
        actor.step()
        calls = Calls(monkeypatch)
        assert sum(actor.step().num_transitions for _ in range(50)) == 50 * NUM_ENVIRONMENTS
        assert calls.count == 50


def test_one_item_holds_a_segment_and_one_row_a_transition():
    with acting(iq) as (actor, address, spec):
        for _ in range(4 * SEGMENT_LENGTH):
            actor.step()
        assert settled_size(address, 4 * NUM_ENVIRONMENTS) == 4 * NUM_ENVIRONMENTS
        (sample,) = reverb.Client(address).sample(TABLE, 1, emit_timesteps=False)
    (rows,) = sample.data
    observation, action = spec.observations.shape[0], spec.actions.shape[0]
    assert rows.nbytes == SEGMENT_LENGTH * 4 * (2 * observation + action + 3)
    assert valid(rows).all()


# The loop over K is a part of the learner's graph. An agent adds operations to the loop's body, the
# same ones for every K and for every size of its networks. So each agent has to show only that none
# of its operations are called from Python, and one agent that this is so for K = 1 too.
@pytest.mark.parametrize(("name", "lengths"), [("iq", (1, 20)), ("quinoa", (20,)), ("sac", (20,))])
def test_one_graph_call_does_all_gradient_steps_of_a_superbatch(name, lengths, monkeypatch):
    agent_class, config = SMALL_AGENTS[name]
    learner = Learner(agent_class, config, make_spec(), seed=0)
    learner.step(make_transitions(1, config.batch_size))
    calls = Calls(monkeypatch)
    for steps_per_call in lengths:
        superbatch = make_transitions(steps_per_call, config.batch_size)
        before = learner.steps, calls.count
        for _ in range(3):
            learner.step(superbatch)
        assert calls.count - before[1] == 3
        assert learner.steps - before[0] == 3 * steps_per_call


def test_parameters_are_fetched_only_when_they_are_new():
    learner = Learner(iq.Agent, iq.Config(), make_spec(), seed=0)
    published = PublishedParameters()
    published.publish(1, flatten(learner.agent.policy))
    newest = published.get(-1)
    assert newest is not None
    version, parameters = newest
    assert parameters.nbytes == 4 * sum(np.prod(v.shape) for v in learner.agent.policy.variables)
    assert published.get(version) is None


def test_a_table_without_a_ratio_lets_the_actors_go():
    config = OffPolicyConfig(segment_length=2, min_replay_size=4)
    limiter = make_table(
        config, RowLayout(make_spec()), samples_per_insert=0, steps_per_call=5
    ).info
    assert limiter.rate_limiter_info.min_size_to_sample == 2
    assert limiter.rate_limiter_info.max_diff > 1e300
