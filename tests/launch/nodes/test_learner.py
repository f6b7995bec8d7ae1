from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import numpy as np
import pytest
import reverb

from quinoa.agents.types import NonFiniteError
from quinoa.launch.checkpoints import learner_checkpoints
from quinoa.launch.metrics.counter import Counter
from quinoa.launch.nodes.addresses import FixedAddresses
from quinoa.launch.nodes.learner import LearnerNode
from quinoa.launch.nodes.peers import ReplayPeer
from quinoa.launch.run.roles import Role
from quinoa.launch.run.run_folder import RunFolder
from tests.launch.helpers import experiment, wait_until


@contextlib.contextmanager
def made(counter: Counter, tmp_path) -> Iterator[LearnerNode]:
    """A learner that is to stop, and so only saves."""
    of = experiment()
    server = reverb.Server(of.make_source().tables())
    stop = threading.Event()
    stop.set()
    peer = ReplayPeer(FixedAddresses({Role.REPLAY: f"localhost:{server.port}"}))
    yield LearnerNode(of, RunFolder(tmp_path), peer, counter.report, stop)
    server.stop()


@pytest.fixture
def node(counter, tmp_path):
    with made(counter, tmp_path) as one:
        yield one


def diverge(node: LearnerNode, value: float) -> None:
    variable = node._learner.agent.policy.trainable_variables[-1]
    variable.assign(np.full(variable.shape, value, np.float32))


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_parameters_that_diverged_are_not_published(node, value):
    _, before = node.get_parameters(-1)
    diverge(node, value)
    node._learner._steps.assign(1)
    with pytest.raises(NonFiniteError, match="policy"):
        node._publish()
    version, after = node.get_parameters(-1)
    assert version == 0
    np.testing.assert_array_equal(before, after)


def test_the_graph_of_a_step_is_traced_before_there_are_data(node):
    node._stop_event.clear()
    running = threading.Thread(target=node.run)
    running.start()
    assert wait_until(lambda: node._learner._fused_steps is not None, 60)
    node._stop_event.set()
    running.join()
    assert node._learner.steps == 0


def test_what_diverged_is_not_saved_and_ends_the_node(node, counter, tmp_path):
    folder = RunFolder(tmp_path).checkpoints
    node.run()
    node._learner._steps.assign(1)
    # Not of the policy, which alone is published.
    slot = node._learner._optimization.optimizers[0].variables()[-1]
    slot.assign(np.full(slot.shape, np.nan, np.float32))
    with pytest.raises(NonFiniteError, match="/v"):
        node.run()
    assert [path.name for path in folder.iterdir()] == [f"{0:012d}"]
    assert np.isfinite(learner_checkpoints.newest(folder).policy_parameters()).all()
